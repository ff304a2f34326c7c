// The identities everything else is named by. Plain values, ordered, without behaviour.
#pragma once

#include <array>
#include <compare>
#include <cstdint>
#include <string>
#include <string_view>

#include "eddy/result.hpp"

namespace eddy {

/// An integer that cannot be mixed up with another kind of integer.
template <class Tag, class Rep>
struct StrongId {
    Rep value{};
    friend constexpr auto operator<=>(const StrongId&, const StrongId&) = default;
};

using Incarnation = StrongId<struct IncarnationTag, uint64_t>;  ///< rises with every start of a node
using StreamId = StrongId<struct StreamTag, uint16_t>;          ///< index of a stream at its node
using BufferId = StrongId<struct BufferTag, uint64_t>;          ///< an immutable tensor held outside the core
using ValueId = StrongId<struct ValueTag, uint32_t>;            ///< a value (edge) of the model graph
using JobId = StrongId<struct JobTag, uint64_t>;                ///< a run given to a compute lane
using PlanId = StrongId<struct PlanTag, uint32_t>;

/// A node's place on the ring: 160 bits, most significant byte first.
struct NodeId {
    std::array<uint8_t, 20> bytes{};
    // The compiler leaves the general comparisons to memcmp, which rings of thousands of nodes feel.
    friend constexpr bool operator==(const NodeId& a, const NodeId& b) {
        return a.word(12) == b.word(12) && a.word(8) == b.word(8) && a.word(0) == b.word(0);
    }
    friend constexpr std::strong_ordering operator<=>(const NodeId& a, const NodeId& b) {
        for (const size_t offset : {0, 8, 12})
            if (const auto order = a.word(offset) <=> b.word(offset); order != 0) return order;
        return std::strong_ordering::equal;
    }

private:
    [[nodiscard]] constexpr uint64_t word(size_t offset) const {
        uint64_t value = 0;
        for (size_t i = 0; i < 8; ++i) value = value << 8 | bytes[offset + i];  // one load and a byte swap
        return value;
    }
};

/// A camera stream somewhere in the cluster.
struct SourceId {
    NodeId node;
    StreamId stream;
    friend constexpr auto operator<=>(const SourceId&, const SourceId&) = default;
};

/// One datum A_k^i. `attempt` is deliberately not part of it: it only fences stale work.
struct FrameId {
    SourceId source;
    Incarnation incarnation;
    uint64_t k = 0;
    friend constexpr auto operator<=>(const FrameId&, const FrameId&) = default;
};

/// SHA-256 of a model file, or of the layers derived from it (`chain_hash`).
struct ContentHash {
    std::array<uint8_t, 32> bytes{};
    friend constexpr auto operator<=>(const ContentHash&, const ContentHash&) = default;
};

namespace detail {
std::string hex(const uint8_t* bytes, size_t count);
bool unhex(std::string_view text, uint8_t* bytes, size_t count);
}  // namespace detail

inline std::string to_string(const NodeId& id) { return detail::hex(id.bytes.data(), id.bytes.size()); }
/// The first eight hex digits: enough for a person to tell nodes apart in a log.
inline std::string short_name(const NodeId& id) { return to_string(id).substr(0, 8); }
inline std::string to_string(const ContentHash& h) { return detail::hex(h.bytes.data(), h.bytes.size()); }

inline Result<NodeId> parse_node_id(std::string_view text) {
    NodeId id;
    if (!detail::unhex(text, id.bytes.data(), id.bytes.size()))
        return invalid("a node id is 40 hexadecimal digits, found \"" + std::string(text) + "\"");
    return id;
}

namespace detail {
inline std::string hex(const uint8_t* bytes, size_t count) {
    static constexpr char digits[] = "0123456789abcdef";
    std::string text;
    text.reserve(count * 2);
    for (size_t i = 0; i < count; ++i) {
        text += digits[bytes[i] >> 4];
        text += digits[bytes[i] & 15];
    }
    return text;
}
inline bool unhex(std::string_view text, uint8_t* bytes, size_t count) {
    if (text.size() != count * 2) return false;
    for (size_t i = 0; i < text.size(); ++i) {
        const char c = text[i];
        int digit = 0;
        if (c >= '0' && c <= '9')
            digit = c - '0';
        else if (c >= 'a' && c <= 'f')
            digit = c - 'a' + 10;
        else if (c >= 'A' && c <= 'F')
            digit = c - 'A' + 10;
        else
            return false;
        bytes[i / 2] = static_cast<uint8_t>(i % 2 == 0 ? digit << 4 : bytes[i / 2] | digit);
    }
    return true;
}
}  // namespace detail

}  // namespace eddy
