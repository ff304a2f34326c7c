// Arbitrary messages within every bound, for rapidcheck.
#pragma once

#include <algorithm>
#include <limits>
#include <vector>

#include "arbitrary_values.hpp"
#include "eddy/config.hpp"

namespace eddy::transport::testing {

inline msg::Member any_member() {
    return {any_node(),
            Incarnation{any<uint64_t>()},
            any_text(name_bytes_max),
            {"h" + any_text(host_bytes_max - 1), any_of_range<uint16_t>(1, UINT16_MAX)}};
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

inline msg::PlanPrepare any_plan() {
    msg::PlanPrepare prepare{any<uint32_t>(), {any_hash(), {any_node()}, 1, {}}};
    RowPlan& plan = prepare.plan;
    plan.window = any_of_range<uint32_t>(1, plan_window_max);
    for (const NodeId& node : any_list(plan_devices_max - 1, any_node)) plan.devices.push_back(node);
    for (size_t i = 0; i < plan.devices.size(); ++i) plan.devices[i].bytes[0] = static_cast<uint8_t>(i);
    plan.blocks = any_list(plan_blocks_max, [&] {
        RowBlock block{any<uint32_t>(), any<uint32_t>(), {}, any<bool>()};
        const uint32_t rows = any_of_range<uint32_t>(0, UINT32_MAX / plan_devices_max);
        // With some devices that make no rows.
        for (uint32_t i = 0; i <= plan.devices.size(); ++i) block.bounds.push_back((i - i % 3 / 2) * rows);
        return block;
    });
    return prepare;
}

inline msg::Rows any_rows() {
    msg::Rows rows{any_frame(), any<uint32_t>(), any<uint32_t>(), any<uint32_t>(), Usec::max(), {}, any<uint64_t>()};
    rows.so_far = {any_duration(), any_duration()};
    if (any<bool>()) rows.deadline_left = any<bool>() ? any_duration() : -any_duration();
    return rows;
}

inline msg::RowsAck any_rows_ack() {
    msg::RowsAck ack{any<uint64_t>(), any<uint64_t>(), any_duration(), {}};
    ack.last_byte = ack.first_byte + any_duration();
    return ack;
}

inline msg::NodeState any_state() {
    msg::NodeState state{any<uint64_t>(), any<uint64_t>(), 0, any<uint64_t>(), 0, any_hash(), {}, {}};
    state.gamma_s_per_parameter = state.pressure = *rc::gen::inRange(0, 1000000) * 1e-12;
    state.layers = {any<uint16_t>(), any<uint16_t>()};
    state.backlog = any_list(backlogs_max, [] { return msg::Backlog{any_source(), any<uint16_t>(), any<uint32_t>()}; });
    int layer = *rc::gen::inRange(-1, 100);
    state.remaining = any_list(remaining_max, [&layer] {
        layer += *rc::gen::inRange(1, 4000);
        return msg::Remaining{static_cast<uint16_t>(layer), any_duration(), 1e6F / float(1 + layer)};
    });
    state.links = any_list(links_told_max, [] {
        const auto speed = static_cast<float>(any_of_range<uint32_t>(0, UINT32_MAX));
        return msg::LinkSpeed{any_node(), any<bool>() ? speed : std::numeric_limits<float>::max()};
    });
    return state;
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
        case 9: return any_state();
        case 10: return any_work();
        case 11: {
            msg::Ack ack{any<uint64_t>(), any<uint64_t>(), any_duration(), {}, any<bool>(), {}};
            ack.last_byte = ack.first_byte + any_duration();
            ack.credits = any_list(sources_max, [] { return msg::Credit{any_source(), any<uint64_t>()}; });
            ack.released = any_list(msg::released_max, [] { return any<uint64_t>(); });
            return ack;
        }
        case 12: return any_result();
        case 13: return msg::ResultAck{any_frame()};
        case 14: return any_plan();
        case 15: return msg::PlanAnswer{any<uint32_t>(), any<bool>(), any_text(text_bytes_max)};
        case 16: return msg::PlanRetire{any<uint32_t>()};
        case 17: return any_rows();
        case 18: return msg::RowsCancel{any_frame(), any<uint32_t>(), any<uint32_t>()};
        default: return any_rows_ack();
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
