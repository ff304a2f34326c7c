// What a node has taken. Goal: copies are told from work, in bounded memory. Method: one frame's ways, told one by one.
#include "src/node/taken_work.hpp"

#include <doctest/doctest.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

namespace {

msg::Work work(uint64_t k, uint32_t attempt, uint16_t layer, uint8_t hops = 1) {
    msg::Work made;
    made.frame.source.node = node_id(1);
    made.frame.k = k;
    made.attempt = attempt;
    made.layer = layer;
    made.hops = hops;
    return made;
}

const auto here = [](bool) { return true; };
const auto gone = [](bool) { return false; };
const auto without_receipt = [](bool may_be_back) { return !may_be_back; };

}  // namespace

TEST_CASE("a copy of what was taken is not taken, nor what is less far") {
    TakenWork taken;
    CHECK(taken.take(work(1, 1, 4), here));
    CHECK_FALSE(taken.take(work(1, 1, 4), gone));
    CHECK_FALSE(taken.take(work(1, 1, 3), gone));
    CHECK(taken.take(work(1, 1, 5), here));
    CHECK(taken.take(work(2, 1, 0), here));
}

TEST_CASE("a new attempt is taken wherever it begins, and nothing more of the old one however far it came") {
    TakenWork taken;
    CHECK(taken.newest_attempt(work(1, 1, 0).frame) == 0);
    CHECK(taken.take(work(1, 1, 4), here));
    CHECK(taken.take(work(1, 2, 0), here));
    CHECK_FALSE(taken.take(work(1, 1, 9), gone));
    CHECK(taken.newest_attempt(work(1, 1, 0).frame) == 2);
}

TEST_CASE("what went on from here and came back by a longer way is no copy; what is still here has one") {
    TakenWork taken;
    CHECK(taken.take(work(1, 1, 4, 1), here));
    CHECK_FALSE(taken.take(work(1, 1, 4, 3), here));
    CHECK(taken.take(work(1, 1, 4, 3), gone));
    CHECK_FALSE(taken.take(work(1, 1, 4, 3), gone));
}

TEST_CASE("what has no receipt may be back if it comes with two hops more, and not with one") {
    TakenWork taken;
    CHECK(taken.take(work(1, 1, 4, 1), here));
    CHECK_FALSE(taken.take(work(1, 1, 4, 2), without_receipt));
    CHECK(taken.take(work(1, 1, 4, 3), without_receipt));
}

TEST_CASE("so many frames are known and no more: the oldest is forgotten") {
    TakenWork taken;
    for (uint64_t k = 0; k <= TakenWork::frames_max; ++k) CHECK(taken.take(work(k, 1, 4), here));
    CHECK(taken.find(work(0, 1, 4).frame) == nullptr);
    CHECK(taken.find(work(1, 1, 4).frame) != nullptr);
    CHECK(taken.find(work(TakenWork::frames_max, 1, 4).frame) != nullptr);
}
