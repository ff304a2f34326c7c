// A slab of objects named by small numbers: no allocation per object once it has grown, and addresses that stay.
#pragma once

#include <cstdint>
#include <memory>
#include <vector>

#include "eddy/assert.hpp"

namespace eddy::sim {

template <class T>
class Pool {
public:
    /// A free slot, as its last user left it, so that the storage of its strings and lists is used again.
    uint32_t take() {
        if (free_.empty()) grow();
        const uint32_t index = free_.back();
        free_.pop_back();
        return index;
    }
    void give_back(uint32_t index) {
        EDDY_ASSERT(used() > 0);
        free_.push_back(index);
    }
    T& operator[](uint32_t index) { return chunks_[index / chunk_size][index % chunk_size]; }
    const T& operator[](uint32_t index) const { return chunks_[index / chunk_size][index % chunk_size]; }
    [[nodiscard]] size_t used() const { return slots() - free_.size(); }
    /// All there are, free or not.
    [[nodiscard]] uint32_t slots() const { return static_cast<uint32_t>(chunks_.size()) * chunk_size; }

private:
    static constexpr uint32_t chunk_size = 256;

    void grow() {
        const auto first = static_cast<uint32_t>(chunks_.size() * chunk_size);
        chunks_.push_back(std::make_unique<T[]>(chunk_size));
        for (uint32_t i = chunk_size; i > 0; --i) free_.push_back(first + i - 1);
    }

    std::vector<std::unique_ptr<T[]>> chunks_;
    std::vector<uint32_t> free_;
};

}  // namespace eddy::sim
