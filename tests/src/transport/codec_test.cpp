// Goal: what one node encodes another decodes to the same, without a copy of tensor bytes, and readable by Cap'n
// Proto's own tool; what no honest node sends is refused in words. Method: properties over arbitrary messages.
#include <cmath>
#include <cstring>
#include <limits>
#include <set>

#include <doctest/doctest.h>

#include "capnp_tool.hpp"
#include "generators.hpp"

namespace eddy::transport::testing {
namespace {

constexpr size_t kinds = std::variant_size_v<Message>;

bool same_tensors(const std::vector<HostTensor>& a, const std::vector<HostTensor>& b) {
    return std::equal(a.begin(), a.end(), b.begin(), b.end(), [](const HostTensor& x, const HostTensor& y) {
        return x.meta == y.meta && std::equal(x.bytes.data(), x.bytes.data() + x.bytes.size(), y.bytes.data(),
                                              y.bytes.data() + y.bytes.size());
    });
}

/// A message must come back from its own bytes, whatever pieces they come in.
void require_round_trip(const Message& message, const std::vector<HostTensor>& tensors) {
    const auto encoded = encode(message, tensors);
    RC_ASSERT(encoded.ok());
    const auto bytes = joined(*encoded);
    RC_ASSERT(bytes.size() == encoded->bytes);
    const auto packet = decode_bytes(bytes, *rc::gen::element<size_t>(1, 3, 8, 1000, SIZE_MAX));
    RC_ASSERT(packet.ok());
    const auto* delivery = std::get_if<Delivery>(&packet.value());
    RC_ASSERT(delivery != nullptr);
    RC_ASSERT(delivery->message == message);
    RC_ASSERT(same_tensors(delivery->tensors, tensors));
}

HostTensor floats(size_t count) {
    auto data = allocate_bytes(count * 4);
    for (size_t i = 0; i < count * 4; ++i) data.get()[i] = static_cast<std::byte>(i);
    return {{ValueId{1}, DType::f32, {1, static_cast<int64_t>(count)}, {}}, SharedBytes(data, count * 4)};
}

/// The tool's view of a message.
std::string decoded_by_capnp(const Encoded& encoded) {
    const auto text = run_capnp("decode", joined(encoded));
    return {reinterpret_cast<const char*>(text.data()), text.size()};
}

std::string refusal(const Message& message, std::vector<HostTensor> tensors = {}) {
    const auto encoded = encode(message, std::move(tensors));
    return encoded.ok() ? "" : encoded.error().message;
}

}  // namespace

TEST_CASE("every kind of message comes back from its bytes as it was") {
    for (size_t kind = 0; kind < kinds; ++kind) {
        CAPTURE(kind);
        CHECK(rc::check("kind " + std::to_string(kind), [kind] {
            const Message message = any_message(kind);
            RC_ASSERT(message.index() == kind);
            std::vector<HostTensor> tensors;
            if (std::holds_alternative<msg::Work>(message)) tensors = any_list(frontier_tensors_max, any_tensor);
            if (std::holds_alternative<msg::Rows>(message)) tensors = any_list(msg::rows_tensors_max, any_tensor);
            require_round_trip(message, tensors);
        }));
    }
}

TEST_CASE("the transport's own messages come back as they were") {
    CHECK(rc::check("handshake", [] {
        Hello hello{any_text(name_bytes_max),
                    any_member(),
                    any_bytes<16>(),
                    any_bytes<32>(),
                    any<bool>(),
                    std::nullopt,
                    any_hash(),
                    any_duration(),
                    any<bool>()};
        if (any<bool>()) hello.session = any_bytes<32>();
        const auto back = [](const Encoded& encoded) { return decode_bytes(joined(encoded)).value(); };
        RC_ASSERT(std::get<Hello>(back(encode(hello))) == hello);
        const Proof proof{any_bytes<32>()};
        RC_ASSERT(std::get<Proof>(back(encode(proof))) == proof);
        const Refuse refuse{any<uint16_t>(), any_text(text_bytes_max)};
        RC_ASSERT(std::get<Refuse>(back(encode(refuse))) == refuse);
        const Bye bye{any_text(text_bytes_max)};
        RC_ASSERT(std::get<Bye>(back(encode(bye))) == bye);
        const Inquiry inquiry{any<uint64_t>(), any_text(text_bytes_max)};
        RC_ASSERT(std::get<Inquiry>(back(encode(inquiry))) == inquiry);
        const Alive alive{any<uint64_t>()};
        RC_ASSERT(std::get<Alive>(back(encode(alive))) == alive);
    }));
}

TEST_CASE("a message refers to its tensors' bytes where they are") {
    const HostTensor first = floats(1001);
    const HostTensor second = floats(3);
    const auto encoded = encode(msg::Work{}, {first, second});
    REQUIRE(encoded.ok());
    std::set<const std::byte*> starts;
    for (const auto& piece : encoded->pieces) starts.insert(piece.data());
    CHECK(starts.contains(first.bytes.data()));
    CHECK(starts.contains(second.bytes.data()));
    // The encoded message alone keeps them alive.
    CHECK(first.bytes.owner().use_count() == 2);
    uint64_t others = 0;
    for (const auto& piece : encoded->pieces)
        if (piece.data() != first.bytes.data() && piece.data() != second.bytes.data()) others += piece.size();
    CHECK(others < 1024);
}

TEST_CASE("a received tensor lies inside the receive buffer and keeps it alive") {
    const HostTensor sent = floats(5000);
    const auto bytes = joined(*encode(msg::Work{}, {sent}));
    std::vector<HostTensor> tensors;
    std::weak_ptr<std::byte> body;
    {
        const auto raw = assemble(bytes);
        REQUIRE(raw.ok());
        body = raw->body;
        auto packet = decode(*raw);
        REQUIRE(packet.ok());
        tensors = std::get<Delivery>(*packet).tensors;
        const std::byte* at = tensors.at(0).bytes.data();
        CHECK(at > raw->body.get());
        CHECK(at + tensors[0].bytes.size() <= raw->body.get() + raw->bytes);
    }
    CHECK_FALSE(body.expired());
    CHECK(same_tensors(tensors, {sent}));
    tensors.clear();
    CHECK(body.expired());
}

TEST_CASE("capnp decode reads every kind of message with the schema") {
    msg::Work work;
    work.layer = 17;
    work.priority = 100;
    work.hops = 2;
    HostTensor tensor = floats(2);
    std::fill_n(std::const_pointer_cast<std::byte>(tensor.bytes.owner()).get(), 8, std::byte{'x'});
    auto text = decoded_by_capnp(*encode(work, {tensor}));
    CHECK(text.find("layer = 17") != std::string::npos);
    CHECK(text.find("priority = 100") != std::string::npos);
    CHECK(text.find("dtype = f32") != std::string::npos);
    CHECK(text.find("shape = [1, 2]") != std::string::npos);
    CHECK(text.find("data = \"xxxxxxxx\"") != std::string::npos);
    msg::Result result;
    result.inference.detections.push_back({3, 0.5F, 0, 0, 1, 1});
    result.failure = "no room";
    text = decoded_by_capnp(*encode(result, {}));
    CHECK(text.find("label = 3") != std::string::npos);
    CHECK(text.find("failure = \"no room\"") != std::string::npos);
    text = decoded_by_capnp(*encode(msg::Ping{41}, {}));
    CHECK(text.find("ping = 41") != std::string::npos);
    text = decoded_by_capnp(*encode(msg::Neighbours{1, 2, false, {{{}, {}, "left", {"::1", 7070}}}, {}}, {}));
    CHECK(text.find("predecessor = (") != std::string::npos);
    CHECK(text.find("name = \"left\"") != std::string::npos);
    CHECK(text.find("port = 7070") != std::string::npos);
    text = decoded_by_capnp(*encode(msg::Notify{}, {}));
    CHECK(text.find("notify = void") != std::string::npos);
    text = decoded_by_capnp(*encode(msg::Ack{9, 800, Usec(1), Usec(2), false, {{{}, 77}}, {5, 6}}, {}));
    CHECK(text.find("released = [5, 6]") != std::string::npos);
    CHECK(text.find("limit = 77") != std::string::npos);
    CHECK(text.find("accepted = false") != std::string::npos);
    text = decoded_by_capnp(*encode(msg::NodeState{1, 2, 0.25, 3, 0.5, {}, {{{}, 5, 6}}, {{7, Usec(888)}}}, {}));
    CHECK(text.find("gammaSecondsPerParameter = 0.25") != std::string::npos);
    CHECK(text.find("frames = 6") != std::string::npos);
    CHECK(text.find("timeUsec = 888") != std::string::npos);
}

TEST_CASE("what no node may send is refused when it is encoded, in words") {
    HostTensor short_of_bytes = floats(4);
    short_of_bytes.meta.shape = {5};
    CHECK(refusal(msg::Work{}, {short_of_bytes}).find("asks for 20 bytes, it has 16") != std::string::npos);
    HostTensor negative = floats(4);
    negative.meta.shape = {-4};
    CHECK(refusal(msg::Work{}, {negative}).find("impossible") != std::string::npos);
    HostTensor deep = floats(1);
    deep.meta.shape.assign(dims_max + 1, 1);
    CHECK(refusal(msg::Work{}, {deep}).find("impossible") != std::string::npos);
    HostTensor rows = floats(4);
    rows.meta.rows = {2, 1};
    CHECK(refusal(msg::Work{}, {rows}).find("rows") != std::string::npos);
    for (const std::vector<int64_t>& shape : {std::vector<int64_t>{2, 1, 1, 2}, {1, 4}, {1, 1, 1, 2, 2}}) {
        HostTensor last = floats(4);
        last.meta.shape = shape;
        CHECK(refusal(msg::Work{}, {last}).empty());
        last.meta.channels_last = true;
        CHECK(refusal(msg::Work{}, {last}).find("channels come last") != std::string::npos);
    }
    HostTensor type = floats(4);
    type.meta.dtype = static_cast<DType>(7);
    CHECK(refusal(msg::Work{}, {type}).find("type") != std::string::npos);
    CHECK(refusal(msg::Work{}, std::vector<HostTensor>(9, floats(1))).find("at most 8") != std::string::npos);
    CHECK(refusal(msg::Ping{}, {floats(1)}).find("only Work") != std::string::npos);
    CHECK(refusal(msg::Ack{1, 1, Usec(2), Usec(1), true, {}}).find("before") != std::string::npos);
    CHECK(refusal(msg::Ack{1, 1, Usec(-2), Usec(1), true, {}}).find("before") != std::string::npos);
    msg::Ack released;
    released.released.resize(msg::released_max);
    CHECK(refusal(released).empty());
    released.released.push_back(1);
    CHECK(refusal(released).find("releases") != std::string::npos);
    msg::NodeState state;
    for (const double gamma :
         {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity(), -1.0}) {
        state.gamma_s_per_parameter = gamma;
        CHECK(refusal(state).find("gamma") != std::string::npos);
    }
    msg::ResultAck fine;
    CHECK(refusal(fine).empty());
    msg::Work negative_duration;
    negative_duration.so_far.computing = Usec(-1);
    CHECK(refusal(negative_duration).find("duration") != std::string::npos);
    msg::Work urgent;
    urgent.priority = priority_max + 1;
    CHECK(refusal(urgent) == "a priority of 101 (at most 100)");
}

TEST_CASE("remaining times out of order, of the past or too many are refused, and endless ones are cut") {
    const auto state = [](std::vector<msg::Remaining> remaining) {
        return msg::NodeState{.remaining = std::move(remaining)};
    };
    CHECK(refusal(state({{0, Usec(9)}, {3, Usec(0)}, {UINT16_MAX, Usec(5)}})).empty());
    CHECK(refusal(state({{3, Usec(1)}, {3, Usec(1)}})).find("order of their layers") != std::string::npos);
    CHECK(refusal(state({{0, Usec(1)}, {4, Usec(1)}, {3, Usec(1)}})).find("order") != std::string::npos);
    CHECK(refusal(state({{0, Usec(1)}, {4, Usec(-1)}})).find("negative") != std::string::npos);
    CHECK(refusal(state({{0, Usec(1), 0}, {4, Usec(1), price_max}})).empty());
    for (const float price : {-0.5F, 1.01F * price_max, std::numeric_limits<float>::infinity(), std::nanf("")})
        CHECK(refusal(state({{0, Usec(1), price}})).find("a price is") != std::string::npos);
    std::vector<msg::Remaining> many;
    for (uint16_t layer = 0; layer < remaining_max; ++layer) many.push_back({layer, Usec(1)});
    CHECK(refusal(state(many)).empty());
    many.push_back({remaining_max, Usec(1)});
    CHECK(refusal(state(many)).find("17 entries (at most 16)") != std::string::npos);

    const auto packet = decode_bytes(joined(*encode(state({{1, Usec(7)}, {2, Usec::max()}}), {})));
    REQUIRE(packet.ok());
    const auto& back = std::get<msg::NodeState>(std::get<Delivery>(*packet).message);
    CHECK(back.remaining == std::vector<msg::Remaining>{{1, Usec(7)}, {2, std::chrono::hours(24 * 365)}});
}

TEST_CASE("ring messages that no node would send are refused in words") {
    const msg::Member fine{{}, {}, "name", {"host", 1}};
    const auto with = [&fine](auto change) {
        msg::Member member = fine;
        change(member);
        return member;
    };
    const msg::Member long_name = with([](auto& m) { m.name = std::string(name_bytes_max + 1, 'n'); });
    const msg::Member two_lines = with([](auto& m) { m.name = "two\nlines"; });
    const msg::Member long_host = with([](auto& m) { m.endpoint.host = std::string(host_bytes_max + 1, 'h'); });
    const msg::Member no_host = with([](auto& m) { m.endpoint.host.clear(); });
    const msg::Member no_port = with([](auto& m) { m.endpoint.port = 0; });
    for (const auto& [member, why] :
         {std::pair{long_name, "name"}, std::pair{two_lines, "name"}, std::pair{long_host, "host"},
          std::pair{no_host, "no host"}, std::pair{no_port, "no port"}}) {
        CHECK(refusal(msg::Introduce{member}).find(why) != std::string::npos);
        CHECK(refusal(msg::Found{1, false, {fine, member}, {}}).find(why) != std::string::npos);
        CHECK(refusal(msg::Neighbours{1, 1, false, member, {}}).find(why) != std::string::npos);
        CHECK(refusal(msg::Neighbours{1, 1, false, std::nullopt, {fine, member}}).find(why) != std::string::npos);
    }
    CHECK(refusal(msg::Introduce{fine}).empty());
    const std::vector<msg::Member> many(members_max + 1, fine);
    CHECK(refusal(msg::Neighbours{1, 1, false, std::nullopt, many}).find("at most 64") != std::string::npos);
    const std::vector<msg::Member> found(found_members_max + 1, fine);
    CHECK(refusal(msg::Found{1, true, found, {}}).find("at most 16") != std::string::npos);
    CHECK(refusal(msg::Found{1, true, {}, found}).find("at most 16") != std::string::npos);
    CHECK(refusal(msg::GetNeighbours{0, 1}).find("no number") != std::string::npos);
    CHECK(refusal(msg::Neighbours{1, 1, true, fine, {}}).find("not changed") != std::string::npos);
    CHECK(refusal(msg::Neighbours{1, 1, true, std::nullopt, {fine}}).find("not changed") != std::string::npos);
}

TEST_CASE("a broken model's scores and too long a reason do not cost the result") {
    msg::Result result;
    result.inference.classes.push_back({1, std::numeric_limits<float>::quiet_NaN()});
    result.inference.detections.push_back({1, 0.5F, -std::numeric_limits<float>::infinity(), 0, 1, 1});
    result.failure = std::string(text_bytes_max - 1, 'x') + "é\n";
    const auto packet = decode_bytes(joined(*encode(result, {})));
    REQUIRE(packet.ok());
    const auto& back = std::get<msg::Result>(std::get<Delivery>(*packet).message);
    CHECK(back.inference.classes.at(0).score == 0);
    CHECK(back.inference.detections.at(0).x0 == 0);
    CHECK(back.inference.detections.at(0).score == 0.5F);
    CHECK(back.failure == std::string(text_bytes_max - 1, 'x'));
    msg::Work work;
    work.deadline_left = std::chrono::hours(24 * 800);
    const auto far = decode_bytes(joined(*encode(work, {})));
    CHECK(std::get<msg::Work>(std::get<Delivery>(*far).message).deadline_left == Usec::max());
}

TEST_CASE("a tensor type that does not exist is refused, however wide its number") {
    HostTensor tensor = floats(4);
    const auto f32 = joined(*encode(msg::Work{}, {tensor}));
    tensor.meta.dtype = DType::i32;
    const auto i32 = joined(*encode(msg::Work{}, {tensor}));
    const auto differ = std::mismatch(f32.begin(), f32.end(), i32.begin()).first - f32.begin();
    for (const uint16_t number : {7, 255, 256 + 1, 0xffff}) {
        auto bytes = f32;
        bytes[differ] = static_cast<std::byte>(number & 0xff);
        bytes[differ + 1] = static_cast<std::byte>(number >> 8);
        const auto packet = decode_bytes(bytes);
        REQUIRE_FALSE(packet.ok());
        CHECK(packet.error().message.find("unknown type") != std::string::npos);
    }
}

TEST_CASE("texts become printable UTF-8 of bounded length, and names that are not are refused") {
    CHECK(cleaned("a\x1b[31mb\n", 99) == "a?[31mb?");
    CHECK(cleaned("\xc3\xa9\xff\xe2\x82", 99) == "\xc3\xa9???");
    CHECK(cleaned("\xc3\xa9", 1).empty());
    CHECK(is_clean("naïve 🦆", 99));
    for (const char* bad : {"\xc0\xaf", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\xe0\x80\xaf", "\x7f", "\xc2\x85", "\x80"})
        CHECK_FALSE(is_clean(bad, 99));
    CHECK_FALSE(is_clean("four", 3));
}

TEST_CASE("tensors that are all the same bytes are refused, for they would be counted more than once") {
    const auto honest = joined(*encode(msg::Work{}, {floats(1000), floats(1000)}));
    REQUIRE(decode_bytes(honest).ok());
    // Segments: the message, the first tensor, the second one. Let the second tensor's pointer lead to the first's
    // segment, and leave out its own.
    std::vector<uint32_t> words(honest.size() / 4);
    std::memcpy(words.data(), honest.data(), honest.size());
    REQUIRE(words[0] == 2);
    REQUIRE(words[3] == 500);
    size_t redirected = 0;
    const size_t message_end = 4 + 2 * words[1];
    for (size_t at = 4; at < message_end; at += 2)
        if ((words[at] & 7) == 2 && words[at + 1] == 2) {
            words[at + 1] = 1;
            ++redirected;
        }
    REQUIRE(redirected == 1);
    words[0] = 1;
    words[3] = 0;  // the table's padding now
    words.resize(words.size() - 1000);
    const auto packet = decode_bytes(std::as_bytes(std::span(words)));
    REQUIRE_FALSE(packet.ok());
    CHECK(packet.error().message.find("traversal limit") != std::string::npos);
}

TEST_CASE("a tensor shorter than the message that holds it is refused, for nobody would count that memory") {
    auto padded = floats(50000);
    auto bytes = joined(*encode(msg::Work{}, {padded}));
    // The list pointer of the only large Data says how long it is: shrink the shape and that length together.
    const auto full = decode_bytes(bytes);
    REQUIRE(full.ok());
    auto small = joined(*encode(msg::Work{}, {floats(2)}));
    uint32_t words = 0;
    std::memcpy(&words, small.data() + 8, 4);  // segment 1, one word: enlarge it
    CHECK(words == 1);
    words = 20000;
    std::memcpy(small.data() + 8, &words, 4);
    small.resize(small.size() + 19999 * 8);
    const auto packet = decode_bytes(small);
    REQUIRE_FALSE(packet.ok());
    CHECK(packet.error().message.find("larger than the tensors") != std::string::npos);
}

}  // namespace eddy::transport::testing
