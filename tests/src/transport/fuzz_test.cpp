// Goal: no sequence of bytes aborts the decoder or makes it read beyond the message. Method: valid messages of every
// kind, mutated in a seeded loop; run under AddressSanitizer for the full meaning.
#include <cstring>

#include <doctest/doctest.h>

#include "eddy/random.hpp"
#include "generators.hpp"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size);

namespace eddy::transport::testing {
namespace {

std::vector<std::vector<std::byte>> corpus() {
    HostTensor tensor;
    tensor.meta = {ValueId{1}, DType::f32, {2, 3}, {}};
    tensor.bytes = SharedBytes(allocate_bytes(24), 24);
    msg::Result result;
    result.failure = "why";
    result.inference.classes.resize(3);
    result.inference.detections.resize(2);
    const msg::Member member{{}, {}, "name", {"host", 1}};
    const std::vector<Message> messages = {
        msg::Ping{1},
        msg::Pong{2},
        msg::FindSuccessor{1, {}},
        msg::Found{1, true, {member, member}},
        msg::GetNeighbours{1, 2},
        msg::Neighbours{1, 2, false, member, {member, member}},
        msg::Neighbours{1, 2, true, std::nullopt, {}},
        msg::Notify{},
        msg::Introduce{member},
        msg::Leave{"bye"},
        msg::NodeState{
            1, 2, 1e-9, 4, 0, ContentHash{{1}}, {{}, {}}, {{0, Usec(1)}, {9, Usec(0)}}, {}, {{{}, 1e7F}, {{}, 0}}},
        msg::Ack{1, 2, Usec(3), Usec(4), true, {{}, {}}, {5, 6}},
        result,
        msg::ResultAck{},
        msg::PlanPrepare{7, {ContentHash{{1}}, {NodeId{}, NodeId{{1}}}, 2, {{0, 3, {0, 4, 8}, true}}}},
        msg::PlanAnswer{7, false, "why"},
        msg::PlanRetire{7},
        msg::RowsCancel{{}, 1, 7},
        msg::RowsAck{1, 2, Usec(3), Usec(4)}};
    std::vector<std::vector<std::byte>> all;
    for (const auto& message : messages) all.push_back(joined(*encode(message, {})));
    all.push_back(joined(*encode(msg::Work{}, {tensor, tensor})));
    all.push_back(joined(*encode(msg::Rows{}, {tensor, tensor})));
    all.push_back(joined(encode(Hello{"c", member, {}, {}, true, Nonce{}, {}})));
    all.push_back(joined(encode(Proof{})));
    all.push_back(joined(encode(Refuse{1, "no"})));
    all.push_back(joined(encode(Bye{"bye"})));
    all.push_back(joined(encode(Inquiry{1, "10.0.0.1:7070"})));
    all.push_back(joined(encode(Alive{1})));
    for (auto& bytes : all) bytes.insert(bytes.begin(), std::byte{0});
    return all;
}

void mutate(std::vector<std::byte>& bytes, Random& random) {
    static constexpr uint64_t edges[] = {0, 1, 0x7f, 0xff, 0x7fffffff, 0xffffffff, 0xfffffffd, UINT64_MAX};
    const size_t at = random.below(bytes.size());
    switch (random.below(6)) {
        case 0: bytes[at] ^= static_cast<std::byte>(1U << random.below(8)); break;
        case 1: bytes[at] = static_cast<std::byte>(random.next()); break;
        case 2: bytes.resize(at + 1); break;
        case 3:
            bytes.insert(bytes.begin() + static_cast<ptrdiff_t>(at), 8, static_cast<std::byte>(random.next()));
            break;
        default: {  // an aligned word or half of one: where Cap'n Proto's pointers and counts are
            const size_t width = random.chance(0.5) ? 4 : 8;
            const size_t word = 1 + (at - at % 4);
            if (word + width > bytes.size()) return;
            uint64_t value = edges[random.below(std::size(edges))];
            if (random.chance(0.5)) {
                std::memcpy(&value, bytes.data() + word, width);
                value += random.below(17) - 8;
            }
            std::memcpy(bytes.data() + word, &value, width);
        }
    }
}

}  // namespace

TEST_CASE("forty thousand mutated messages are refused or understood, and none does harm") {
    const auto seeds = corpus();
    for (const auto& bytes : seeds)
        REQUIRE(LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) == 1);
    constexpr uint64_t seed = 20240607;
    CAPTURE(seed);
    Random random(seed);
    size_t understood = 0;
    constexpr size_t runs = 40000;
    for (size_t i = 0; i < runs; ++i) {
        auto bytes = seeds[random.below(seeds.size())];
        for (uint64_t times = 1 + random.below(4); times > 0; --times) mutate(bytes, random);
        understood += LLVMFuzzerTestOneInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()) != 0 ? 1 : 0;
    }
    // Both ways are taken often, or the loop tests nothing.
    CHECK(understood > runs / 20);
    CHECK(understood < runs * 19 / 20);
}

}  // namespace eddy::transport::testing
