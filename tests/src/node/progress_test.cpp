// Whether one neighbour gets on, told by its debts. Goal: who stands still is found in times of what it took before,
// who is merely slow or busy is not, and each comes back by what it does. Method: receipts and releases at chosen
// instants.
#include "src/node/progress.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;
using Pace = Progress::Pace;

namespace {

constexpr uint64_t frame = 100'000;

/// A neighbour that is sent one message after the other.
struct Receiver {
    Progress progress;
    double ms = 0;
    uint64_t seq = 0;

    void send(uint64_t bytes = frame) { progress.on_sent(++seq, bytes, at_ms(ms)); }
    /// The receipt of the last comes `after_ms` from now; its bytes took `span_ms`.
    void receipt(double span_ms, double after_ms) {
        ms += after_ms;
        progress.on_receipt(seq, from_ms(span_ms), at_ms(ms));
    }
    void message(double span_ms, double delay_ms = 2, uint64_t bytes = frame) {
        send(bytes);
        receipt(span_ms, span_ms + delay_ms);
    }
    void messages(int count, double span_ms, double delay_ms = 2) {
        for (int i = 0; i < count; ++i) message(span_ms, delay_ms);
    }
    Pace after(double later_ms, std::optional<Instant> oldest = std::nullopt) {
        ms += later_ms;
        progress.look(oldest, at_ms(ms));
        return progress.pace();
    }
};

}  // namespace

TEST_CASE("a receipt may always take held_up_least, and then the neighbour is held up") {
    Receiver to;
    to.messages(10, 10);
    to.send();
    CHECK(to.after(249) == Pace::well);
    CHECK(to.after(2) == Pace::held_up);
    CHECK(to.progress.waits(at_ms(to.ms)) == from_ms(251));
    CHECK_FALSE(to.progress.wants_probe(at_ms(to.ms + 1e5)));  // what is under way is one
    to.receipt(10, 1);
    CHECK(to.progress.well());
    CHECK(to.progress.waits(at_ms(to.ms)) == Usec{0});
}

TEST_CASE("a slow link gets its time, four times what such a message takes there") {
    Receiver to;
    to.messages(10, 200);
    to.send();
    CHECK(to.after(790) == Pace::well);
    CHECK(to.after(60) == Pace::held_up);
    SUBCASE("a larger message gets more") {
        to.receipt(200, 1);
        to.send(3 * frame);
        CHECK(to.after(2300) == Pace::well);
        CHECK(to.after(300) == Pace::held_up);
    }
    SUBCASE("each message counts from the receipt of the one before") {
        to.send();
        to.progress.on_receipt(to.seq - 1, from_ms(200), at_ms(to.ms));
        CHECK(to.progress.well());
        CHECK(to.after(790) == Pace::well);
        CHECK(to.after(60) == Pace::held_up);
    }
}

TEST_CASE("a neighbour whose receipts always take long gets its time as well") {
    Receiver to;
    to.messages(30, 10, 150);
    to.send();
    CHECK(to.after(600) == Pace::well);
    CHECK(to.after(300) == Pace::held_up);
}

TEST_CASE("while no speed is known a message gets four seconds") {
    Receiver to;
    to.send();
    CHECK(to.after(4000) == Pace::well);
    CHECK(to.after(1) == Pace::held_up);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 4.001));
}

TEST_CASE("the speed of a link is lowered by a message that is not receipted, before it is") {
    Receiver to;
    to.messages(10, 10);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(1e7));
    to.send();
    to.after(250);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(1e7));
    to.after(50);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 0.3));
    to.after(700);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 1.0));
    SUBCASE("it came in no time: what was usual is") {
        to.receipt(0, 1);
        CHECK(to.progress.bytes_per_s() == doctest::Approx(1e7));
    }
    SUBCASE("it came slowly: that is what the link is") {
        to.receipt(1000, 1);
        CHECK(to.progress.pace() == Pace::slow);
        CHECK(to.progress.bytes_per_s() == doctest::Approx(1e5));
    }
}

TEST_CASE(
    "a link is slow after two of three messages at less than a quarter of the usual speed, and well after one at "
    "half") {
    Receiver to;
    to.messages(10, 20);
    to.messages(20, 79);
    CHECK(to.progress.well());
    to = {};
    to.messages(10, 20);
    to.message(81);
    CHECK(to.progress.well());
    to.message(20);
    CHECK(to.progress.well());
    to.message(81);
    CHECK(to.progress.pace() == Pace::slow);
    to.messages(5, 41);
    CHECK(to.progress.pace() == Pace::slow);
    to.message(1, 2, 1000);  // too small to say anything
    CHECK(to.progress.pace() == Pace::slow);
    to.message(39);
    CHECK(to.progress.well());
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 0.039));
}

TEST_CASE("a message that takes hardly any time is not slow, whatever is usual") {
    Receiver to;
    to.messages(10, 1);
    to.messages(3, 24);
    CHECK(to.progress.well());
    to.messages(2, 26);
    CHECK(to.progress.pace() == Pace::slow);
    SUBCASE("neither is it once the link was found slow") {
        to.message(24);
        CHECK(to.progress.well());
    }
    SUBCASE("a small one must be as much faster as it is smaller") {
        to.message(24, 2, frame / 4);
        CHECK(to.progress.pace() == Pace::slow);
        to.message(6, 2, frame / 4);
        CHECK(to.progress.well());
    }
}

TEST_CASE("what is usual is not unlearned while the link is slow, unless that is accepted") {
    Receiver to;
    to.messages(40, 10);
    to.messages(100, 100);
    CHECK(to.progress.pace() == Pace::slow);
    SUBCASE("not accepted") { to.message(19); }
    SUBCASE("accepted") {
        to.progress.accept_speed();
        CHECK(to.progress.well());
        CHECK(to.progress.take_new_speed().value() == doctest::Approx(1e6));
        to.messages(20, 100);
        CHECK(to.progress.well());
        CHECK_FALSE(to.progress.take_new_speed());
        CHECK(to.progress.wants_probe(at_ms(to.ms)));
        SUBCASE("times are those of what is usual now") {
            to.send();
            CHECK(to.after(390) == Pace::well);
        }
        SUBCASE("until a message shows half of what was usual") {
            to.message(21);
            CHECK(to.progress.wants_probe(at_ms(to.ms)));
            to.message(19);
            CHECK_FALSE(to.progress.wants_probe(at_ms(to.ms + 1e6)));
            CHECK(to.progress.take_new_speed().value() == doctest::Approx(frame / 0.019));
            CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 0.019));
        }
    }
    CHECK(to.progress.well());
}

TEST_CASE("a speed that changed at one blow is told once") {
    Receiver to;
    to.messages(10, 10);
    CHECK_FALSE(to.progress.take_new_speed());
    to.send();
    to.after(300);
    CHECK_FALSE(to.progress.take_new_speed());
    to.receipt(0, 1);
    CHECK(to.progress.take_new_speed().value() == doctest::Approx(1e7));
    to.messages(3, 100);
    CHECK(to.progress.pace() == Pace::slow);
    CHECK_FALSE(to.progress.take_new_speed());
    to.message(100);
    CHECK(to.progress.take_new_speed().value() == doctest::Approx(1e6));
    CHECK_FALSE(to.progress.take_new_speed());
    to.message(10);
    CHECK(to.progress.take_new_speed().value() == doctest::Approx(1e7));
}

TEST_CASE("few speeds, of small messages, or of those that were in the kernel already, make nobody slow") {
    Receiver to;
    to.messages(4, 10);
    to.send();
    to.after(400);
    CHECK(to.progress.pace() == Pace::held_up);
    to.receipt(400, 1);
    CHECK(to.progress.well());  // four are too few to know what is usual
    to = {};
    for (int i = 0; i < 10; ++i) to.message(0.01);
    for (int i = 0; i < 10; ++i) to.message(0.1, 2, 1000);
    to.messages(3, 100);
    CHECK(to.progress.well());
}

TEST_CASE("a slow one is probed now and then, ever more seldom, and never while something is under way") {
    Receiver to;
    to.messages(10, 10);
    CHECK_FALSE(to.progress.wants_probe(at_ms(1e6)));
    to.messages(2, 100);
    CHECK(to.progress.pace() == Pace::slow);
    for (const double pause : {1000, 2000, 4000, 8000, 8000}) {
        CHECK_FALSE(to.progress.wants_probe(at_ms(to.ms + pause - 1)));
        to.ms += pause;
        CHECK(to.progress.wants_probe(at_ms(to.ms)));
        to.progress.on_probe(at_ms(to.ms));
        Receiver probed = to;
        probed.send();
        CHECK_FALSE(probed.progress.wants_probe(at_ms(probed.ms + 1e6)));
    }
    to.message(10);
    to.messages(2, 100);
    CHECK(to.progress.pace() == Pace::slow);
    CHECK(to.progress.wants_probe(at_ms(to.ms + 1000)));  // from the beginning again
}

TEST_CASE("who passes nothing on of what it accepted is stuck, in times of what that took, until it does") {
    Receiver to;
    CHECK(to.after(6000, at_ms(0)) == Pace::well);
    CHECK(to.after(1, at_ms(0)) == Pace::stuck);
    CHECK(to.progress.wants_probe(at_ms(to.ms + 1000)));
    to.messages(3, 10);
    CHECK(to.progress.pace() == Pace::stuck);  // receipts say nothing of that
    to.progress.on_released(from_ms(6000), at_ms(to.ms));
    CHECK(to.progress.well());
    CHECK(to.after(6000, at_ms(0)) == Pace::well);  // since the last release
    for (int i = 0; i < 40; ++i) to.progress.on_released(from_ms(4000), at_ms(to.ms));
    CHECK(to.after(15'900, at_ms(to.ms)) == Pace::well);
    CHECK(to.after(1000, at_ms(to.ms - 15'900)) == Pace::stuck);
    CHECK(to.after(0) == Pace::stuck);
}

TEST_CASE("a node that itself stood still blames nobody for it") {
    Receiver to;
    to.messages(10, 10);
    to.send();
    to.ms += 20'000;
    to.progress.forgive(at_ms(to.ms));
    CHECK(to.after(200, at_ms(0)) == Pace::well);
    CHECK(to.after(60, at_ms(0)) == Pace::held_up);
}

TEST_CASE("a receipt that shows a low speed takes the place of what the wait for it said") {
    Receiver to;
    to.messages(10, 10);
    to.send();
    CHECK(to.after(5000) == Pace::held_up);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 5.0));
    to.receipt(100, 1);
    CHECK(to.progress.pace() == Pace::slow);
    CHECK(to.progress.bytes_per_s() == doctest::Approx(frame / 0.1));
    to.message(35);
    CHECK(to.progress.pace() == Pace::slow);
}

TEST_CASE("of very many messages without a receipt the oldest are forgotten") {
    Receiver to;
    to.messages(10, 10);
    to.send();
    to.ms += 5000;
    for (int i = 0; i < 256; ++i) to.send();
    CHECK(to.after(100) == Pace::well);
}

TEST_CASE("receipts of what was never sent, or twice, change nothing") {
    Receiver to;
    to.messages(10, 10);
    to.send();
    to.after(300);
    CHECK(to.progress.pace() == Pace::held_up);
    to.progress.on_receipt(to.seq - 1, from_ms(1), at_ms(to.ms));
    CHECK(to.progress.pace() == Pace::held_up);
    to.progress.on_receipt(1'000'000, from_ms(1), at_ms(to.ms));  // but it settles all before
    CHECK(to.progress.well());
    to.progress.on_receipt(1'000'000, from_ms(1), at_ms(to.ms));
    CHECK(to.progress.bytes_per_s() == doctest::Approx(1e7));
}

TEST_CASE("a busy link whose messages take up to three times as long as at best never looks held up or slow") {
    CHECK(rc::check("whatever the order of times", [] {
        Receiver to;
        const double best_ms = *rc::gen::inRange(1, 300);
        for (const int percent : *rc::gen::container<std::vector<int>>(100, rc::gen::inRange(100, 300))) {
            to.send();
            const double takes_ms = best_ms * percent / 100;
            RC_ASSERT(to.after(takes_ms) == Pace::well);
            to.receipt(takes_ms, 1);
            RC_ASSERT(to.progress.well());
        }
    }));
}

TEST_CASE("a time that varies is expected to vary as much again") {
    Smoothed time;
    CHECK(time.most() == Usec{0});
    time.add(from_ms(100));
    CHECK(time.most() == from_ms(300));
    for (int i = 0; i < 60; ++i) time.add(from_ms(100));
    CHECK(time.most() < from_ms(101));
    time.add(from_ms(500));
    CHECK(time.most() > from_ms(500));
    time.add(from_ms(-500));  // no time is
    CHECK(time.most() > from_ms(500));
}
