// Tensors as every room sees them: metadata the core reasons about, and bytes that only adapters touch.
#pragma once

#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <memory>
#include <new>
#include <optional>
#include <vector>

#include "eddy/assert.hpp"
#include "eddy/ids.hpp"

namespace eddy {

enum class DType : uint8_t { u8 = 0, f32 = 1, i64 = 2, i32 = 3, f16 = 4, boolean = 5, f64 = 6 };

constexpr uint64_t bytes_per_element(DType type) {
    switch (type) {
        case DType::u8:
        case DType::boolean: return 1;
        case DType::f16: return 2;
        case DType::f32:
        case DType::i32: return 4;
        case DType::i64:
        case DType::f64: return 8;
    }
    return 0;
}

inline constexpr size_t dims_max = 8;
/// No single tensor may be larger; checked before anything is allocated.
inline constexpr uint64_t tensor_bytes_max = uint64_t{256} << 20;

/// A half-open range of rows of a tensor; a chain's tensors always carry all of theirs.
struct Rows {
    uint32_t begin = 0;
    uint32_t end = UINT32_MAX;  ///< UINT32_MAX: to the last row
    friend constexpr auto operator<=>(const Rows&, const Rows&) = default;
};

/// Dense, row-major, little-endian. `shape` has at most dims_max entries, each >= 0.
struct TensorMeta {
    ValueId value;
    DType dtype = DType::f32;
    std::vector<int64_t> shape;
    Rows rows;
    /// Of [1, C, H, W] alone: the bytes are in the order H, W, C. Rows lie together so, and convolutions like it.
    bool channels_last = false;

    friend bool operator==(const TensorMeta&, const TensorMeta&) = default;

    /// Bytes a dense tensor of this type and shape takes; nothing if the shape is impossible or too large.
    [[nodiscard]] std::optional<uint64_t> bytes() const {
        uint64_t total = bytes_per_element(dtype);
        if (shape.size() > dims_max || total == 0) return std::nullopt;
        bool empty = false;
        for (const int64_t extent : shape) {
            if (extent < 0) return std::nullopt;
            if (extent == 0) {
                empty = true;
                continue;
            }
            if (static_cast<uint64_t>(extent) > tensor_bytes_max / total) return std::nullopt;
            total *= static_cast<uint64_t>(extent);
        }
        return empty ? 0 : total;
    }
};

/// The core's handle to a tensor: it counts and forwards bytes that it never sees.
struct TensorRef {
    TensorMeta meta;
    BufferId buffer;
    uint64_t bytes = 0;
};

/// Immutable bytes with shared ownership; may alias a larger allocation (a receive buffer). Thread-safe to share.
/// The address is a multiple of 8, and reading up to the next multiple of 8 past the end is allowed: the wire
/// refers to these bytes without copying them.
class SharedBytes {
public:
    SharedBytes() = default;
    SharedBytes(std::shared_ptr<const std::byte> data, size_t size) : data_(std::move(data)), size_(size) {
        EDDY_ASSERT(reinterpret_cast<uintptr_t>(data_.get()) % 8 == 0);
    }
    [[nodiscard]] const std::byte* data() const { return data_.get(); }
    [[nodiscard]] size_t size() const { return size_; }
    [[nodiscard]] const std::shared_ptr<const std::byte>& owner() const { return data_; }

private:
    std::shared_ptr<const std::byte> data_;
    size_t size_ = 0;
};

/// Zero-padded writable memory that becomes SharedBytes; 64-byte aligned for vector units.
/// Throws std::bad_alloc: bound `size` first.
inline std::shared_ptr<std::byte> allocate_bytes(size_t size) {
    const size_t padded = (size + 63) / 64 * 64 + 64;
    auto* raw = static_cast<std::byte*>(std::aligned_alloc(64, padded));
    if (raw == nullptr) throw std::bad_alloc();
    for (size_t i = size; i < padded; ++i) raw[i] = std::byte{0};
    return {raw, [](std::byte* p) { std::free(p); }};
}

/// A tensor with its bytes: what cameras make, executors take and give, and the transport carries.
struct HostTensor {
    TensorMeta meta;
    SharedBytes bytes;
};

}  // namespace eddy
