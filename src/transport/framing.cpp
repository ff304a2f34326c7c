#include "src/transport/framing.hpp"

#include <new>
#include <string>

#include "eddy/assert.hpp"
#include "eddy/tensor.hpp"

namespace eddy::transport {
namespace {

/// The wire is little-endian whatever the machine is.
uint32_t read_u32(const std::byte* at) {
    uint32_t value = 0;
    for (int i = 3; i >= 0; --i) value = value << 8 | std::to_integer<uint32_t>(at[i]);
    return value;
}

}  // namespace

std::span<std::byte> Assembler::space() {
    if (body_) return {body_.get() + filled_, body_bytes_ - filled_};
    return {table_.data() + filled_, table_bytes_ - filled_};
}

Result<bool> Assembler::arrived(size_t count) {
    EDDY_ASSERT(count <= space().size());
    filled_ += count;
    if (body_) return filled_ == body_bytes_;
    if (filled_ < table_bytes_) return false;
    if (filled_ == 8) {
        // Count minus one, as a 32-bit number: no overflow below.
        const uint64_t segments = uint64_t{read_u32(table_.data())} + 1;
        if (segments > segments_max)
            return invalid("announces " + std::to_string(segments) + " segments (at most " +
                           std::to_string(segments_max) + ")");
        table_bytes_ = (4 * (segments + 1) + 7) / 8 * 8;
        if (filled_ < table_bytes_) return false;
    }
    return begin_body();
}

Result<bool> Assembler::begin_body() {
    const uint64_t segments = uint64_t{read_u32(table_.data())} + 1;
    uint64_t bytes = 0;
    for (uint64_t i = 0; i < segments; ++i) bytes += uint64_t{read_u32(table_.data() + 4 + 4 * i)} * 8;
    if (bytes == 0) return invalid("announces an empty message");
    if (bytes + table_bytes_ > bytes_max_)
        return invalid("announces a message of " + std::to_string(bytes + table_bytes_) + " bytes (at most " +
                       std::to_string(bytes_max_) + ")");
    if (bytes > budget_.bytes_max - budget_.used_bytes)
        return exhausted("no room for a message of " + std::to_string(bytes) +
                         " bytes: too much is being received at once");
    try {
        body_ = allocate_bytes(bytes);
    } catch (const std::bad_alloc&) {
        return exhausted("no memory for a message of " + std::to_string(bytes) + " bytes");
    }
    body_bytes_ = bytes;
    budget_.used_bytes += bytes;
    filled_ = 0;
    return false;
}

RawMessage Assembler::take() {
    EDDY_ASSERT(body_ && filled_ == body_bytes_);
    RawMessage raw;
    raw.bytes = body_bytes_ + table_bytes_;
    const size_t segments = size_t{read_u32(table_.data())} + 1;
    raw.segments.reserve(segments);
    const std::byte* at = body_.get();
    for (size_t i = 0; i < segments; ++i) {
        const size_t size = size_t{read_u32(table_.data() + 4 + 4 * i)} * 8;
        raw.segments.emplace_back(at, size);
        at += size;
    }
    raw.body = std::move(body_);
    release();
    return raw;
}

void Assembler::release() {
    budget_.used_bytes -= body_bytes_;
    body_.reset();
    body_bytes_ = 0;
    table_bytes_ = 8;
    filled_ = 0;
}

}  // namespace eddy::transport
