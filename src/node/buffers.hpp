// Who still needs which buffer. A raw frame may be held by the ledger, a queue and a message at once; the core counts
// the holders and tells the outside once, when nobody is left.
#pragma once

#include <map>
#include <span>

#include "eddy/assert.hpp"
#include "eddy/effects.hpp"

namespace eddy::node {

class Buffers {
public:
    /// A buffer enters the core, with one holder.
    void adopt(const TensorRef& tensor) {
        const bool fresh = holders_.emplace(tensor.buffer, Holding{1, tensor.bytes}).second;
        EDDY_ASSERT(fresh);
        bytes_ += tensor.bytes;
    }
    void adopt(std::span<const TensorRef> tensors) {
        for (const auto& tensor : tensors) adopt(tensor);
    }
    void retain(const TensorRef& tensor) {
        const auto it = holders_.find(tensor.buffer);
        EDDY_ASSERT(it != holders_.end());
        ++it->second.count;
    }
    void release(const TensorRef& tensor, EffectSink& sink) {
        const auto it = holders_.find(tensor.buffer);
        EDDY_ASSERT(it != holders_.end());
        if (--it->second.count > 0) return;
        bytes_ -= it->second.bytes;
        holders_.erase(it);
        sink.release(tensor.buffer);
    }
    void release(std::span<const TensorRef> tensors, EffectSink& sink) {
        for (const auto& tensor : tensors) release(tensor, sink);
    }

    [[nodiscard]] uint64_t bytes() const { return bytes_; }
    [[nodiscard]] size_t count() const { return holders_.size(); }
    [[nodiscard]] uint64_t holders() const {
        uint64_t total = 0;
        for (const auto& [id, holding] : holders_) total += holding.count;
        return total;
    }

private:
    struct Holding {
        uint32_t count;
        uint64_t bytes;
    };
    std::map<BufferId, Holding> holders_;
    uint64_t bytes_ = 0;
};

}  // namespace eddy::node
