#include "src/node/link.hpp"

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::node;
using namespace eddy::testing;

namespace {

const SourceId source{node_id(1), StreamId{0}};

scheduler::Item item(uint64_t k) {
    scheduler::Item item;
    item.frame = {source, Incarnation{1}, k};
    return item;
}

msg::Work work(uint64_t seq) {
    msg::Work work;
    work.frame.source = source;
    work.seq = seq;
    return work;
}

msg::Ack ack(uint64_t seq, uint64_t limit = 100) { return {seq, 0, Usec{0}, Usec{0}, true, {{source, limit}}}; }

uint32_t backlog(const Link& link, Instant now) {
    uint32_t sum = 0;
    link.each_backlog(now, [&](const SourceId& of, uint16_t, uint32_t frames) { sum += of == source ? frames : 0; });
    return sum;
}

}  // namespace

TEST_CASE("one message of a source may go before any grant, then only what was granted") {
    Link link(1);
    CHECK(link.has_credit(source));
    link.send(item(0), 10, at_ms(0));
    CHECK_FALSE(link.has_credit(source));
    (void)link.on_ack(ack(1, 3));
    CHECK(link.has_credit(source));
    link.send(item(1), 10, at_ms(0));
    link.send(item(2), 10, at_ms(0));
    CHECK_FALSE(link.has_credit(source));
}

TEST_CASE("limits are absolute: an old, smaller one takes nothing back") {
    Link link(1);
    link.send(item(0), 10, at_ms(0));
    (void)link.on_ack(ack(1, 5));
    (void)link.on_ack(ack(1, 2));
    for (int i = 0; i < 4; ++i) link.send(item(1), 10, at_ms(0));
    CHECK_FALSE(link.has_credit(source));
}

TEST_CASE("credits for sources never sent are not remembered") {
    Link link(1);
    (void)link.on_ack(ack(0, 50));
    link.send(item(0), 10, at_ms(0));
    CHECK_FALSE(link.has_credit(source));
}

TEST_CASE("a receipt settles everything up to its number; a refusal gives that one item back") {
    Link link(1);
    link.send(item(0), 10, at_ms(0));
    (void)link.on_ack(ack(1));
    for (uint64_t k = 1; k <= 3; ++k) link.send(item(k), 10, at_ms(0));
    CHECK(link.unacknowledged_bytes() == 30);
    auto refused = ack(3);
    refused.accepted = false;
    const auto receipt = link.on_ack(refused);
    CHECK(receipt.accepted.size() == 1);
    REQUIRE(receipt.refused);
    CHECK(receipt.refused->frame.k == 2);
    CHECK(link.unacknowledged_bytes() == 10);
}

TEST_CASE("a receipt for what was never sent settles nothing") {
    Link link(1);
    link.send(item(0), 10, at_ms(0));
    const auto receipt = link.on_ack(ack(77));
    CHECK(receipt.accepted.empty());
    CHECK(link.unacknowledged().size() == 1);
}

TEST_CASE("what has no receipt comes back when the link ends, oldest first") {
    Link link(1);
    link.send(item(0), 10, at_ms(0));
    (void)link.on_ack(ack(1));
    link.send(item(1), 10, at_ms(0));
    link.send(item(2), 10, at_ms(0));
    const auto items = link.take_unacknowledged();
    REQUIRE(items.size() == 2);
    CHECK(items[0].frame.k == 1);
    CHECK(link.unacknowledged_bytes() == 0);
}

TEST_CASE("an idle link is free; a slow one until a receipt comes, or its last byte is about to leave") {
    Link link(1);
    CHECK(link.free_at(from_ms(1)) <= at_ms(0));
    link.send(item(0), 1'000'000, at_ms(0));
    CHECK(link.free_at(from_ms(1)) == never);  // nothing is known of its speed
    // 1 MB in 100 ms: 10 MB/s.
    (void)link.on_ack({1, 1'000'000, Usec{0}, from_ms(100), true, {{source, 9}}});
    link.send(item(1), 100'000, at_ms(200));  // takes 10 ms
    CHECK(link.free_at(from_ms(1)) == at_ms(209));
    CHECK(link.free_at(from_ms(6)) <= at_ms(200));  // below two bandwidth-delay products
    link.send(item(2), 100'000, at_ms(209));
    CHECK(link.free_at(from_ms(1)) == never);  // two under way, and too much for the link
}

TEST_CASE("receipts of rows tell how fast the link is, each by the bytes of its own message, and settle no work") {
    Link link(1);
    const auto receipt = [&](uint64_t seq, Usec span) { link.on_rows_ack({seq, 1, Usec{500}, Usec{500} + span}); };
    receipt(0, Usec{1000});
    receipt(1, Usec{1000});
    CHECK(link.estimator().bytes_per_s() == 0);
    link.send(item(1), 1000, {});
    CHECK(link.send_rows(20'000) == 1);
    CHECK(link.send_rows(80'000) == 2);
    CHECK(link.send_rows(40'000) == 3);
    receipt(2, Usec{8000});
    CHECK(link.estimator().bytes_per_s() == doctest::Approx(10e6));
    for (const uint64_t seq : {uint64_t{0}, uint64_t{4}, UINT64_MAX}) receipt(seq, Usec{50});
    CHECK(link.estimator().bytes_per_s() == doctest::Approx(10e6));
    CHECK(link.unacknowledged().size() == 1);
    receipt(1, Usec{2000});
    receipt(3, Usec{4000});
    CHECK(link.estimator().bytes_per_s() == doctest::Approx(10e6));
}

TEST_CASE("messages that a buffer let through at once say less of a link than what took its time") {
    LinkEstimator estimator;
    for (int i = 0; i < 100; ++i) {
        estimator.on_receipt(20'000, Usec{100});      // 200 MB/s, of what is kept for a moment
        estimator.on_receipt(200'000, Usec{20'000});  // 10 MB/s
    }
    CHECK(estimator.bytes_per_s() == doctest::Approx(11e6).epsilon(0.02));
    for (int i = 0; i < 40; ++i) estimator.on_receipt(200'000, Usec{10'000});
    CHECK(estimator.bytes_per_s() == doctest::Approx(20e6).epsilon(0.02));  // and what was is forgotten
}

TEST_CASE("a message that stood still on its way says little of a link, however long it took") {
    for (const Usec stall : {from_ms(2000), Usec(std::chrono::minutes(5)), Usec::max()}) {
        LinkEstimator estimator;
        for (int i = 0; i < 20; ++i) estimator.on_receipt(200'000, Usec{20'000});
        estimator.on_receipt(200'000, stall);
        CHECK(estimator.bytes_per_s() > 4e6);
        for (int i = 0; i < 8; ++i) estimator.on_receipt(200'000, Usec{20'000});
        CHECK(estimator.bytes_per_s() > 7e6);
        for (int i = 0; i < 20; ++i) estimator.on_receipt(200'000, Usec{200'000});
        CHECK(estimator.bytes_per_s() == doctest::Approx(1e6).epsilon(0.1));  // but a link may have become slow
    }
    LinkEstimator only;
    only.on_receipt(20'000, Usec::max());
    CHECK(only.bytes_per_s() > 1);
}

TEST_CASE("what is known of a link otherwise holds until messages tell more") {
    LinkEstimator estimator;
    estimator.at_most(5e6);
    CHECK(estimator.bytes_per_s() == 0);
    estimator.set(10e6);
    estimator.at_most(20e6);
    CHECK(estimator.bytes_per_s() == doctest::Approx(10e6));
    estimator.at_most(5e6);
    CHECK(estimator.bytes_per_s() == doctest::Approx(5e6));
    estimator.on_receipt(20'000, Usec{1000});
    CHECK(estimator.bytes_per_s() > 5e6);
    CHECK(estimator.bytes_per_s() < 10e6);
    for (int i = 0; i < 100; ++i) estimator.on_receipt(20'000, Usec{1000});
    CHECK(estimator.bytes_per_s() == doctest::Approx(20e6).epsilon(0.01));
}

TEST_CASE("only the last messages of rows are remembered, so a receipt that comes very late says nothing") {
    Link link(1);
    for (int i = 0; i < 300; ++i) link.send_rows(1'000'000);
    link.on_rows_ack({44, 1, Usec{0}, Usec{1000}});
    CHECK(link.estimator().bytes_per_s() == 0);
    link.on_rows_ack({45, 1, Usec{0}, Usec{1000}});
    CHECK(link.estimator().bytes_per_s() == doctest::Approx(1e9));
}

TEST_CASE("the view of a neighbour is its report plus what was sent since") {
    Link link(1);
    link.send(item(0), 10, at_ms(0));
    (void)link.on_ack(ack(1));
    link.send(item(1), 10, at_ms(0));
    CHECK(backlog(link, at_ms(0)) == 2);
    msg::NodeState state;
    state.sequence = 1;
    state.as_of_seq = 1;
    state.backlog = {{source, 3, 4}, {source, 5, 1}};
    CHECK(link.on_state(state, at_ms(10)));
    CHECK(backlog(link, at_ms(11)) == 6);
    CHECK(backlog(link, at_ms(2000)) == 1);  // the report is stale, what was sent since is not
}

TEST_CASE("an older report does not replace a newer one") {
    Link link(1);
    msg::NodeState state;
    state.sequence = 5;
    state.backlog = {{source, 0, 4}};
    CHECK(link.on_state(state, at_ms(0)));
    state.sequence = 4;
    state.backlog = {{source, 0, 9}};
    CHECK_FALSE(link.on_state(state, at_ms(1)));
    CHECK(backlog(link, at_ms(1)) == 4);
}

TEST_CASE("incoming work must be numbered without gaps and within its credit") {
    Link link(1);
    CHECK_FALSE(link.accepts(work(2)));
    REQUIRE(link.accepts(work(1)));
    link.on_work(work(1));
    CHECK_FALSE(link.accepts(work(1)));
    CHECK_FALSE(link.accepts(work(2)));  // in order, but beyond the initial credit
    link.grant(source, 1);
    CHECK(link.accepts(work(2)));
    CHECK(link.outstanding(source) == 1);
    const auto ack = link.take_ack();
    REQUIRE(ack);
    REQUIRE(ack->credits.size() == 1);
    CHECK(ack->credits[0].limit == 2);
    CHECK_FALSE(link.take_ack());
}

TEST_CASE("what is granted goes with the receipt that is owed, or alone when credit runs low") {
    Link link(1);
    link.on_work(work(1));
    link.grant(source, credit_window);
    REQUIRE(link.take_ack());  // it had none left
    CHECK(link.outstanding(source) == credit_window);
    uint64_t seq = 1;
    const auto takes_one = [&] {
        REQUIRE(link.accepts(work(++seq)));
        link.on_work(work(seq));
        link.grant(source, 1);
    };
    while (seq < 1 + credit_window / 2 - 1) takes_one();
    CHECK_FALSE(link.take_ack());  // it still has more than half
    SUBCASE("with a receipt") {
        link.owe({seq, 100, Usec{0}, Usec{1}, true, {}});
        const auto ack = link.take_ack();
        REQUIRE(ack);
        CHECK(ack->seq == seq);
        CHECK(ack->bytes == 100);
        REQUIRE(ack->credits.size() == 1);
        CHECK(ack->credits[0].limit == seq + credit_window);
        CHECK_FALSE(link.take_ack());
    }
    SUBCASE("alone") {
        takes_one();
        const auto ack = link.take_ack();
        REQUIRE(ack);
        CHECK(ack->seq == seq);
        CHECK(ack->bytes == 0);
        CHECK(ack->accepted);
        REQUIRE(ack->credits.size() == 1);
        CHECK(ack->credits[0].limit == seq + credit_window);
    }
}

TEST_CASE("what is due besides goes with a receipt, or with one for nothing new") {
    Link link(1);
    CHECK_FALSE(link.take_ack(false));
    const auto alone = link.take_ack(true);
    REQUIRE(alone);
    CHECK(alone->seq == 0);
    CHECK(alone->accepted);
    REQUIRE(link.accepts(work(1)));
    link.on_work(work(1));
    link.owe(ack(1));
    const auto together = link.take_ack(true);
    REQUIRE(together);
    CHECK(together->seq == 1);
    CHECK_FALSE(link.take_ack(false));
}

TEST_CASE("sender and receiver of a link agree on credits, in whatever order grants and work pass each other") {
    CHECK(rc::check([](const std::vector<bool>& steps) {
        Link sender(1);
        Link receiver(1);
        uint64_t sent = 0;
        std::vector<msg::Credit> on_the_way;
        for (const bool send : steps) {
            if (send) {
                if (!sender.has_credit(source)) continue;
                const auto seq = sender.send(item(sent++), 1, at_ms(0));
                RC_ASSERT(receiver.accepts(work(seq)));
                receiver.on_work(work(seq));
            } else {
                receiver.grant(source, 1);
                if (const auto ack = receiver.take_ack())
                    on_the_way.insert(on_the_way.end(), ack->credits.begin(), ack->credits.end());
                msg::Ack grant{receiver.received_seq(), 0, Usec{0}, Usec{0}, true, on_the_way};
                if (receiver.received_seq() % 2 == 0) (void)sender.on_ack(grant);  // some come late, together
            }
        }
    }));
}
