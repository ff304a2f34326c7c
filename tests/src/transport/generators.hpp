// Arbitrary messages within every bound, for rapidcheck.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include <rapidcheck.h>

#include "eddy/config.hpp"
#include "src/transport/codec.hpp"

namespace eddy::transport::testing {

template <class T>
T any() {
    return *rc::gen::arbitrary<T>();
}

/// Often the ends of the range.
template <class T>
T any_of_range(T low, T high) {
    const int which = *rc::gen::inRange(0, 6);
    if (which < 2) return which == 0 ? low : high;
    return static_cast<T>(*rc::gen::inRange<int64_t>(static_cast<int64_t>(low), static_cast<int64_t>(high)));
}

template <size_t size>
std::array<uint8_t, size> any_bytes() {
    return *rc::gen::container<std::array<uint8_t, size>>(rc::gen::arbitrary<uint8_t>());
}

inline std::string any_text(size_t bytes_max) {
    static const std::vector<std::string> letters = {"a", "Z", "0", " ", "\"", "\\", "-", "é", "₂", "🦆"};
    std::string text;
    const auto wanted = *rc::gen::weightedOneOf<size_t>(
        {{4, rc::gen::inRange<size_t>(0, 12)}, {1, rc::gen::inRange<size_t>(0, bytes_max + 1)}});
    while (true) {
        const std::string& letter = letters[*rc::gen::inRange<size_t>(0, letters.size())];
        if (text.size() + letter.size() > wanted) return text;
        text += letter;
    }
}

inline NodeId any_node() { return {any_bytes<20>()}; }
inline SourceId any_source() { return {any_node(), StreamId{any<uint16_t>()}}; }
inline FrameId any_frame() { return {any_source(), Incarnation{any<uint64_t>()}, any<uint64_t>()}; }
inline ContentHash any_hash() { return any<bool>() ? ContentHash{} : ContentHash{any_bytes<32>()}; }
inline Usec any_duration() { return Usec(any_of_range<int64_t>(0, int64_t{365} * 24 * 3600 * 1000000)); }
inline float any_score() { return static_cast<float>(*rc::gen::inRange(-1000, 1000)) / 999.0F; }

inline msg::Member any_member() {
    return {any_node(),
            Incarnation{any<uint64_t>()},
            any_text(name_bytes_max),
            {"h" + any_text(host_bytes_max - 1), any_of_range<uint16_t>(1, UINT16_MAX)}};
}

/// A list whose length is mostly small, sometimes at its bound.
template <class Make>
auto any_list(size_t count_max, Make make) {
    std::vector<decltype(make())> list;
    const size_t count = *rc::gen::weightedOneOf<size_t>(
        {{6, rc::gen::inRange<size_t>(0, std::min<size_t>(count_max, 5) + 1)}, {1, rc::gen::just(count_max)}});
    for (size_t i = 0; i < count; ++i) list.push_back(make());
    return list;
}

inline HostTensor any_tensor() {
    HostTensor tensor;
    tensor.meta.value.value = any<uint32_t>();
    tensor.meta.dtype = static_cast<DType>(*rc::gen::inRange(0, 7));
    const size_t dims = *rc::gen::inRange<size_t>(0, dims_max + 1);
    for (size_t i = 0; i < dims; ++i) tensor.meta.shape.push_back(*rc::gen::inRange(0, 4));
    if (any<bool>()) tensor.meta.rows = {1, any_of_range<uint32_t>(1, UINT32_MAX)};
    const size_t bytes = *tensor.meta.bytes();
    auto data = allocate_bytes(bytes);
    const auto first = any<uint8_t>();
    for (size_t i = 0; i < bytes; ++i) data.get()[i] = static_cast<std::byte>(first + 7 * i);
    tensor.bytes = SharedBytes(data, bytes);
    return tensor;
}

inline msg::Work any_work() {
    msg::Work work{any_frame(),
                   any<uint64_t>(),
                   any<uint32_t>(),
                   any<uint16_t>(),
                   PlanId{any<uint32_t>()},
                   any<uint32_t>(),
                   any_hash(),
                   any<uint16_t>(),
                   any_of_range<uint8_t>(0, priority_max),
                   Usec::max(),
                   {any_duration(), any_duration()},
                   any<uint64_t>()};
    if (any<bool>()) work.deadline_left = any<bool>() ? any_duration() : -any_duration();
    return work;
}

inline msg::Result any_result() {
    msg::Result result;
    result.frame = any_frame();
    result.attempt = any<uint32_t>();
    result.hops = any<uint16_t>();
    result.local = any<bool>();
    result.expired = any<bool>();
    result.so_far = {any_duration(), any_duration()};
    result.failure = any_text(text_bytes_max);
    result.inference.classes = any_list(classes_max, [] { return ClassScore{any<uint32_t>(), any_score()}; });
    result.inference.detections = any_list(detections_max, [] {
        return Detection{any<uint32_t>(), any_score(), any_score(), any_score(), any_score(), any_score()};
    });
    return result;
}

inline msg::Neighbours any_neighbours() {
    msg::Neighbours neighbours{any<uint64_t>(), any<uint64_t>(), any<bool>(), std::nullopt, {}};
    if (neighbours.unchanged) return neighbours;
    if (any<bool>()) neighbours.predecessor = any_member();
    neighbours.successors = any_list(members_max, any_member);
    return neighbours;
}

inline Message any_message(size_t kind) {
    switch (kind) {
        case 0: return msg::Ping{any<uint64_t>()};
        case 1: return msg::Pong{any<uint64_t>()};
        case 2: return msg::FindSuccessor{any<uint64_t>(), any_node()};
        case 3:
            return msg::Found{any<uint64_t>(), any<bool>(), any_list(found_members_max, any_member),
                              any_list(found_members_max, any_member)};
        case 4: return msg::GetNeighbours{any_of_range<uint64_t>(1, INT64_MAX), any<uint64_t>()};
        case 5: return any_neighbours();
        case 6: return msg::Notify{};
        case 7: return msg::Introduce{any_member()};
        case 8: return msg::Leave{any_text(text_bytes_max)};
        case 9: {
            msg::NodeState state{any<uint64_t>(), any<uint64_t>(), 0, any<uint64_t>(), 0, any_hash(), {}, {}};
            state.gamma_s_per_parameter = state.pressure = *rc::gen::inRange(0, 1000000) * 1e-12;
            state.layers = {any<uint16_t>(), any<uint16_t>()};
            state.backlog = any_list(backlogs_max, [] {
                return msg::Backlog{any_source(), any<uint16_t>(), any<uint32_t>()};
            });
            int layer = *rc::gen::inRange(-1, 100);
            state.remaining = any_list(remaining_max, [&layer] {
                layer += *rc::gen::inRange(1, 4000);
                return msg::Remaining{static_cast<uint16_t>(layer), any_duration(), 1e6F / float(1 + layer)};
            });
            return state;
        }
        case 10: return any_work();
        case 11: {
            msg::Ack ack{any<uint64_t>(), any<uint64_t>(), any_duration(), {}, any<bool>(), {}};
            ack.last_byte = ack.first_byte + any_duration();
            ack.credits = any_list(sources_max, [] { return msg::Credit{any_source(), any<uint64_t>()}; });
            ack.released = any_list(msg::released_max, [] { return any<uint64_t>(); });
            return ack;
        }
        case 12: return any_result();
        default: return msg::ResultAck{any_frame()};
    }
}

/// As the bytes would go over the wire.
inline std::vector<std::byte> joined(const Encoded& encoded) {
    std::vector<std::byte> bytes;
    for (const auto& piece : encoded.pieces) bytes.insert(bytes.end(), piece.begin(), piece.end());
    return bytes;
}

/// What the receiver sees when the bytes come in pieces of at most `chunk`.
inline Result<RawMessage> assemble(std::span<const std::byte> bytes, size_t chunk, ReceiveBudget& budget,
                                   uint64_t message_bytes_max = work_bytes_max) {
    Assembler assembler(message_bytes_max, budget);
    while (!bytes.empty()) {
        const auto space = assembler.space();
        const size_t count = std::min({space.size(), chunk, bytes.size()});
        std::copy_n(bytes.begin(), count, space.begin());
        bytes = bytes.subspan(count);
        const auto complete = assembler.arrived(count);
        if (!complete) return complete.error();
        if (complete.value()) return assembler.take();
    }
    return unavailable("half a message");
}

inline Result<RawMessage> assemble(std::span<const std::byte> bytes, size_t chunk = SIZE_MAX) {
    static ReceiveBudget budget;
    budget.bytes_max = UINT64_MAX;
    return assemble(bytes, chunk, budget);
}

inline Result<Packet> decode_bytes(std::span<const std::byte> bytes, size_t chunk = SIZE_MAX) {
    const auto raw = assemble(bytes, chunk);
    if (!raw) return raw.error();
    return decode(raw.value());
}

}  // namespace eddy::transport::testing
