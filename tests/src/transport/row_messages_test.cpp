// Goal: what nodes say about rows of a model over several devices is refused in words where no honest node would say
// it, whoever encoded it; and all that is valid gets through, however large. Method: valid messages, each spoiled in
// one place; the same from Cap'n Proto's own tool; the largest ones through two networks.
#include <algorithm>
#include <limits>

#include <doctest/doctest.h>

#include "capnp_tool.hpp"
#include "generators.hpp"
#include "network_harness.hpp"

namespace eddy::transport::testing {
namespace {

NodeId device(size_t number) {
    NodeId id;
    id.bytes[19] = static_cast<uint8_t>(number);
    return id;
}

/// Divides each of its blocks evenly.
msg::PlanPrepare plan_of(size_t devices, size_t blocks) {
    msg::PlanPrepare prepare{7, {ContentHash{{1}}, {}, plan_window_max, {}}};
    for (size_t i = 0; i < devices; ++i) prepare.plan.devices.push_back(device(i));
    for (uint32_t i = 0; i < blocks; ++i) {
        RowBlock block{i, i + 1, {}, i % 2 == 0};
        for (uint32_t bound = 0; bound <= devices; ++bound) block.bounds.push_back(bound * 3);
        prepare.plan.blocks.push_back(block);
    }
    return prepare;
}

template <class Spoil>
std::string refusal_of_plan(Spoil spoil) {
    auto prepare = plan_of(3, 2);
    spoil(prepare.plan);
    const auto encoded = encode(prepare, {});
    return encoded.ok() ? "" : encoded.error().message;
}

std::string refusal(const Message& message, std::vector<HostTensor> tensors = {}) {
    const auto encoded = encode(message, std::move(tensors));
    return encoded.ok() ? "" : encoded.error().message;
}

bool has(const std::string& text, const std::string& part) { return text.find(part) != std::string::npos; }

std::string decoded_by_capnp(const Message& message) {
    const auto text = run_capnp("decode", joined(*encode(message, {})));
    return {reinterpret_cast<const char*>(text.data()), text.size()};
}

/// Why the decoder refuses what the tool encoded.
std::string refusal_of_text(std::string text) {
    std::replace(text.begin(), text.end(), '\'', '"');
    const auto bytes = run_capnp("encode", std::as_bytes(std::span(text)));
    REQUIRE_FALSE(bytes.empty());
    const auto packet = decode_bytes(bytes);
    return packet.ok() ? "" : packet.error().message;
}

/// As often as said, with a comma between.
std::string times(size_t count, const std::string& entry) {
    std::string text;
    for (size_t i = 0; i < count; ++i) text += (i == 0 ? "" : ", ") + entry;
    return text;
}

HostTensor bytes_of(size_t count) {
    auto data = allocate_bytes(count);
    std::fill_n(data.get(), count, std::byte{5});
    return {{ValueId{1}, DType::u8, {static_cast<int64_t>(count)}, {}}, SharedBytes(data, count)};
}

}  // namespace

TEST_CASE("capnp decode reads what is said about rows with the schema") {
    auto text = decoded_by_capnp(plan_of(2, 1));
    for (const char* part :
         {"planPrepare = (", "epoch = 7", "window = 16", "bounds = [0, 3, 6]", "boundaryFirst = true"})
        CHECK_MESSAGE(has(text, part), part);
    msg::Rows rows;
    rows.message = 11;
    rows.seq = 12;
    text = decoded_by_capnp(rows);
    for (const char* part : {"rows = (", "message = 11", "seq = 12"}) CHECK_MESSAGE(has(text, part), part);
    text = decoded_by_capnp(msg::RowsAck{5, 600, Usec(70), Usec(80)});
    for (const char* part : {"rowsAck = (", "seq = 5", "bytes = 600", "firstByteUsec = 70", "lastByteUsec = 80"})
        CHECK_MESSAGE(has(text, part), part);
    text = decoded_by_capnp(msg::PlanRetire{9});
    CHECK(has(text, "planRetire = 9"));
    text = decoded_by_capnp(msg::NodeState{.links = {{device(1), 2.5F}}});
    CHECK(has(text, "bytesPerSecond = 2.5"));
}

TEST_CASE("plans that no node would make are refused in words") {
    CHECK(refusal_of_plan([](RowPlan&) {}).empty());
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks.clear(); }).empty());
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.window = 1; }).empty());
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.window = 0; }) == "a window of 0 frames (1 to 16)");
    CHECK(refusal_of_plan([](RowPlan& plan) { ++plan.window; }) == "a window of 17 frames (1 to 16)");
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.devices.clear(); }) == "a plan has no devices");
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.devices[2] = plan.devices[0]; }) == "a plan names a device twice");
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.devices.pop_back(); }).find("one bound more") != std::string::npos);
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks[1].bounds.pop_back(); }).find("one bound more") !=
          std::string::npos);
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks[1].bounds.clear(); }).find("one bound more") !=
          std::string::npos);
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks[1].bounds[0] = 1; }).find("begin with row 0") !=
          std::string::npos);
    CHECK(refusal_of_plan([](RowPlan& plan) {
              plan.blocks[1].bounds = {0, 5, 4, 9};
          }).find("descend") != std::string::npos);
    // A device may make nothing of a block.
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks[1].bounds = {0, 5, 5, 9}; }).empty());
    CHECK(refusal_of_plan([](RowPlan& plan) { plan.blocks[1].bounds = {0, 0, 0, 0}; }).empty());
    CHECK(has(refusal(plan_of(plan_devices_max + 1, 1)), "devices: 17 entries (at most 16)"));
    CHECK(has(refusal(plan_of(1, plan_blocks_max + 1)), "blocks: 1025 entries (at most 1024)"));
}

TEST_CASE("impossible speeds of links are refused in words, and too many of them") {
    const auto state = [](std::vector<msg::LinkSpeed> links) { return msg::NodeState{.links = std::move(links)}; };
    CHECK(refusal(state({{device(1), 0}, {device(2), std::numeric_limits<float>::max()}})).empty());
    for (const float speed : {-1.0F, std::numeric_limits<float>::infinity(), -std::numeric_limits<float>::infinity(),
                              std::numeric_limits<float>::quiet_NaN()})
        CHECK(refusal(state({{device(1), 1}, {device(2), speed}})) == "the speed of a link is not finite, or negative");
    CHECK(refusal(state(std::vector<msg::LinkSpeed>(links_told_max))).empty());
    CHECK(has(refusal(state(std::vector<msg::LinkSpeed>(links_told_max + 1))), "links: 33 entries (at most 32)"));
}

TEST_CASE("rows and their receipts that no node would send are refused in words") {
    CHECK(refusal(msg::Rows{}, std::vector<HostTensor>(msg::rows_tensors_max, bytes_of(1))).empty());
    CHECK(has(refusal(msg::Rows{}, std::vector<HostTensor>(msg::rows_tensors_max + 1, bytes_of(1))), "at most 64"));
    CHECK(has(refusal(msg::RowsAck{}, {bytes_of(1)}), "only Work and Rows"));
    HostTensor wrong = bytes_of(4);
    wrong.meta.shape = {5};
    CHECK(has(refusal(msg::Rows{}, {wrong}), "asks for 5 bytes, it has 4"));
    CHECK(has(refusal(msg::Rows{.so_far = {Usec(-1), Usec(0)}}), "a duration is negative"));
    CHECK(refusal(msg::RowsAck{1, 2, Usec(3), Usec(3)}).empty());
    CHECK(has(refusal(msg::RowsAck{1, 2, Usec(4), Usec(3)}), "came before its first"));
    CHECK(has(refusal(msg::RowsAck{1, 2, Usec(-1), Usec(3)}), "came before its first"));
}

TEST_CASE("what a sender of rows cannot help is mended") {
    const auto back = [](const Message& message) {
        return std::get<Delivery>(*decode_bytes(joined(*encode(message, {})))).message;
    };
    const auto day = std::chrono::hours(24);
    CHECK(std::get<msg::Rows>(back(msg::Rows{.deadline_left = day * 400})).deadline_left == Usec::max());
    CHECK(std::get<msg::Rows>(back(msg::Rows{.deadline_left = -day * 400})).deadline_left == -day * 365);
    CHECK(std::get<msg::Rows>(back(msg::Rows{.deadline_left = day * 300})).deadline_left == day * 300);
    const auto answer = std::get<msg::PlanAnswer>(back(msg::PlanAnswer{1, false, "\x1b" + std::string(2000, 'x')}));
    CHECK(answer.reason == "?" + std::string(text_bytes_max - 1, 'x'));
}

TEST_CASE("a decoder refuses what an encoder of its own would not write") {
    const std::string one = "devices = ['12345678901234567890'], window = 1";
    const std::string bounds = "bounds = [0, 4]";
    const auto plan = [](const std::string& fields) { return "(planPrepare = (" + fields + "))"; };
    const auto block = [&](const std::string& fields) { return plan(one + ", blocks = [(" + fields + ")]"); };
    CHECK(refusal_of_text(block(bounds)).empty());
    const std::pair<std::string, std::string> offences[] = {
        {plan("window = 1"), "no devices"},
        {plan("devices = ['short'], window = 1"), "a node id has 5 bytes"},
        {plan("devices = [" + times(17, "'12345678901234567890'") + "]"), "devices: 17 entries (at most 16)"},
        {plan("window = 1, devices = [" + times(2, "'12345678901234567890'") + "]"), "names a device twice"},
        {plan("devices = ['12345678901234567890']"), "a window of 0 frames"},
        {plan("devices = ['12345678901234567890'], window = 4294967295"), "a window of 4294967295 frames"},
        {plan(one + ", blocks = [" + times(1025, "(" + bounds + ")") + "]"), "blocks: 1025 entries (at most 1024)"},
        {block("first = 1"), "one bound more"},
        {block("bounds = [" + times(18, "0") + "]"), "bounds: 18 entries (at most 17)"},
        {block("bounds = [1, 4]"), "begin with row 0"},
        {plan(
             "devices = ['12345678901234567890', '12345678901234567891'], window = 1, blocks = [(bounds = [0, 4, 3])]"),
         "descend"},
        {"(rows = (deadlineLeftUsec = 1))", "a node id has 0 bytes"},
        {"(rows = (frame = (node = '12345678901234567890'), tensors = [" + times(65, "()") + "]))",
         "tensors: 65 entries (at most 64)"},
        {"(rows = (frame = (node = '12345678901234567890'), soFar = (waitingUsec = -1)))", "a duration is negative"},
        {"(rows = (frame = (node = '12345678901234567890'), deadlineLeftUsec = 9223372036854775806))", "a deadline"},
        {"(rowsCancel = (attempt = 1))", "a node id has 0 bytes"},
        {"(rowsAck = (firstByteUsec = 2, lastByteUsec = 1))", "came before its first"},
        {"(rowsAck = (firstByteUsec = -1))", "came before its first"},
        {"(nodeState = (links = [(bytesPerSecond = 1)]))", "a node id has 0 bytes"},
        {"(nodeState = (links = [" + times(33, "(node = '12345678901234567890')") + "]))", "links: 33 entries"},
        {"(nodeState = (links = [(node = '12345678901234567890', bytesPerSecond = nan)]))", "speed of a link"},
        {"(nodeState = (links = [(node = '12345678901234567890', bytesPerSecond = -inf)]))", "speed of a link"},
        {"(nodeState = (links = [(node = '12345678901234567890', bytesPerSecond = -1)]))", "speed of a link"},
    };
    for (const auto& offence : offences) {
        CAPTURE(offence.first);
        const std::string why = refusal_of_text(offence.first);
        CHECK_MESSAGE(has(why, offence.second), why);
    }
}

TEST_CASE("the largest plan is far from the largest message of its lane") {
    const auto largest = plan_of(plan_devices_max, plan_blocks_max);
    const auto encoded = encode(largest, {});
    REQUIRE(encoded.ok());
    const uint64_t limit = NetworkConfig{}.control_message_bytes_max;
    CHECK(lane_of(largest) == Lane::control);
    CHECK(encoded->bytes < limit / 2);
    CHECK(encoded->pieces.size() == 2);  // the table, and one segment
    ReceiveBudget budget{.bytes_max = limit};
    const auto raw = assemble(joined(*encoded), 1000, budget, limit);
    REQUIRE(raw.ok());
    const auto packet = decode(*raw);
    REQUIRE(packet.ok());
    CHECK(std::get<Delivery>(*packet).message == Message(largest));
}

TEST_CASE("the largest plan and rows of as many tensors as there may be reach another node") {
    Loop loop;
    Node a(loop, 1);
    Node b(loop, 2);
    a.network->connect(b.endpoint);
    require_joined(loop, a, b);
    b.received.clear();
    const auto largest = plan_of(plan_devices_max, plan_blocks_max);
    REQUIRE(a.network->send(b.id(), largest).ok());
    REQUIRE(wait(loop, [&] { return b.received.size() == 1; }));
    CHECK(b.received[0].message == Message(largest));

    msg::Rows rows;
    rows.seq = UINT64_MAX;
    REQUIRE(a.network->send(b.id(), rows, std::vector<HostTensor>(msg::rows_tensors_max, bytes_of(3001))).ok());
    REQUIRE(wait(loop, [&] { return b.received.size() == 2; }));
    const Incoming& incoming = b.received[1];
    CHECK(incoming.message == Message(rows));
    REQUIRE(incoming.tensors.size() == msg::rows_tensors_max);
    for (const HostTensor& tensor : incoming.tensors)
        CHECK(std::count(tensor.bytes.data(), tensor.bytes.data() + tensor.bytes.size(), std::byte{5}) == 3001);
    // The receipt goes the other way, with what the receiver saw.
    const msg::RowsAck receipt{rows.seq, incoming.bytes, incoming.first_byte.time_since_epoch(),
                               incoming.last_byte.time_since_epoch()};
    a.received.clear();
    REQUIRE(b.network->send(a.id(), receipt).ok());
    REQUIRE(wait(loop, [&] { return !a.received.empty(); }));
    CHECK(a.received[0].message == Message(receipt));
}

}  // namespace eddy::transport::testing
