// Goal: prices follow what is paid, fall while nothing is bought, and tell of every way on what the cheapest costs.
// Method: a lane that buys by its own price; random costs against all ways; rings of boards that copy each other.
#include "scheduler/prices.hpp"

#include <algorithm>
#include <cmath>
#include <limits>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "tests/support/recording_sink.hpp"

using namespace eddy;
using namespace eddy::scheduler;
using eddy::testing::at_ms;

namespace {

constexpr double model_s = 0.04;
constexpr double frame_s = 0.01;

double number(int from, int to) { return *rc::gen::inRange(from, to + 1); }

/// A whole model on a lane costs `lane` frames, a frame at cut 0 on the link `link`.
Prices prices_of(double lane, double link) {
    Prices prices;
    prices.ran(lane / model_s / lane_gain, model_s, model_s);
    prices.hopped(link / frame_s / link_gain, frame_s, frame_s);
    return prices;
}

/// A run of so many of `classes` equal pieces of the model, as a part of the run of all.
double part_of(size_t pieces, size_t classes) {
    return (static_cast<double>(pieces) / static_cast<double>(classes) + run_overhead) / (1 + run_overhead);
}

/// `classes` cuts at equal distances, frames half as large at each; the whole model in one run takes model_s.
Board board_of(size_t classes, bool computes = true, bool link = true) {
    ClassInputs inputs;
    inputs.computes = computes;
    for (size_t c = 0; c < classes; ++c) inputs.cuts.push_back(static_cast<uint16_t>(c));
    for (size_t c = 0; computes && c <= classes; ++c)
        inputs.before_s.push_back(model_s / (1 + run_overhead) * static_cast<double>(c) / static_cast<double>(classes));
    for (size_t c = 0; link && c < classes; ++c) inputs.transfer_s.push_back(frame_s / (1U << c));
    if (link) inputs.next = {{0, from_seconds(model_s), 0}};
    Board board;
    board.queues = classes;
    board.costs = class_costs(inputs, static_cast<uint16_t>(classes));
    return board;
}

double hop_of(const Prices& prices, size_t c) {
    return std::max(prices.link_per_s() * frame_s / (1U << c) - 1, static_cast<double>(hop_frames));
}

/// What the cheapest of all ways from cut `c` on costs: the model's end here, shorter runs, a hop.
double cheapest(const Prices& prices, const Board& board, size_t c) {
    const size_t end = board.costs.classes;
    double best = std::numeric_limits<double>::infinity();
    if (board.costs.hop[c].per_s > 0) best = hop_of(prices, c) + board.next_price[c];
    if (board.costs.run[c][end].per_s == 0) return best;
    const double model_frames = prices.lane_per_s() * model_s;
    best = std::min(best, std::max(0.0, model_frames * part_of(end - c, end) - ready_frames));
    for (size_t to = c + 1; to < end; ++to)
        best = std::min(best, model_frames * part_of(to - c, end) + cheapest(prices, board, to));
    return best;
}

bool close(double a, double b) { return std::abs(a - b) <= 1e-3 * (1 + std::abs(b)); }

/// Nodes round a ring; each writes its prices and then sees those of the next, all at once. One without the model tells
/// what it hears, as NodeCore does.
struct Ring {
    std::vector<Board> boards;
    std::vector<Prices> prices;

    void start_at(float price) {
        for (Board& board : boards) board.next_price.fill(price);
    }
    void round() {
        for (size_t n = 0; n < boards.size(); ++n) {
            if (computes(n))
                prices[n].write(boards[n]);
            else
                boards[n].price = boards[n].next_price;
        }
        for (size_t n = 0; n < boards.size(); ++n) boards[n].next_price = boards[(n + 1) % boards.size()].price;
    }
    [[nodiscard]] bool computes(size_t n) const { return std::isfinite(boards[n].costs.model_s); }
    /// What the way to each node that computes costs, and computing there: no price need be above it.
    [[nodiscard]] double bound(size_t n, size_t c) const {
        double way = 0;
        double best = std::numeric_limits<double>::infinity();
        for (size_t d = 0; d < boards.size(); ++d) {
            const size_t m = (n + d) % boards.size();
            if (!computes(m)) continue;
            best = std::min(best, way + static_cast<double>(boards[m].price_here[c]));
            way += hop_of(prices[m], c);
        }
        return best;
    }
};

Ring random_ring(bool lanes_cost) {
    Ring ring;
    const auto nodes = static_cast<size_t>(number(3, 5));
    const auto classes = static_cast<size_t>(number(1, 4));
    for (size_t n = 0; n < nodes; ++n) {
        ring.boards.push_back(board_of(classes, n == 0 || number(0, 2) > 0));
        ring.prices.push_back(prices_of(lanes_cost ? number(0, 128) : 0, number(0, 3) == 0 ? number(0, 20) : 0));
    }
    return ring;
}

}  // namespace

TEST_CASE("the price of a lane rises to what the one who pays most pays") {
    CHECK(rc::check("an own source's first queue", [] {
        Prices prices;
        const double backlog = number(1, static_cast<int>(deepest_backlog));
        double before = -1;
        for (int run = 0; run < 100; ++run) {
            RC_ASSERT(prices.lane_per_s() >= before);
            before = prices.lane_per_s();
            prices.ran(backlog / model_s, model_s, model_s);
            RC_ASSERT(prices.lane_per_s() * model_s <= backlog * (1 + 1e-9));
        }
        RC_ASSERT(close(prices.lane_per_s() * model_s, backlog));
    }));
}

TEST_CASE("where more than ready_frames wait a lane gets dearer, with fewer cheaper, and never above highest_price") {
    CHECK(rc::check("frames that end here", [] {
        Prices prices = prices_of(number(0, 128), 0);
        Board board = board_of(1);
        const double waiting = number(1, 20);
        for (int run = 0; run < 1000; ++run) {
            prices.write(board);
            const double before = prices.lane_per_s() * model_s;
            prices.ran((waiting + static_cast<double>(board.price_here[0])) / model_s, model_s, model_s);
            const double after = prices.lane_per_s() * model_s;
            RC_ASSERT(after >= 0);
            RC_ASSERT(after <= highest_price * (1 + 1e-9));
            if (before > ready_frames && before < highest_price - 20)
                RC_ASSERT(close(after - before, lane_gain * (waiting - ready_frames)));
        }
        const double end = prices.lane_per_s() * model_s;
        if (waiting > ready_frames) RC_ASSERT(close(end, highest_price));
        if (waiting < ready_frames) RC_ASSERT(close(end, waiting));
    }));
}

TEST_CASE("a step is as long as what was sold, at most one whole, and nothing without a measure") {
    Prices prices;
    prices.ran(100, model_s / 4, model_s);
    CHECK(prices.lane_per_s() == doctest::Approx(lane_gain * 25));
    prices = {};
    prices.ran(100, model_s * 9, model_s);
    CHECK(prices.lane_per_s() == doctest::Approx(lane_gain * 100));
    CHECK(prices.link_per_s() == 0);
    prices.hopped(100, frame_s / 2, frame_s);
    CHECK(prices.link_per_s() == doctest::Approx(link_gain * 50));
    for (const double whole_s : {0.0, -1.0, std::numeric_limits<double>::infinity(), std::nan("")}) {
        prices.ran(1e9, 1, whole_s);
        prices.hopped(1e9, 1, whole_s);
    }
    CHECK(prices.lane_per_s() == doctest::Approx(lane_gain * 100));
    CHECK(prices.link_per_s() == doctest::Approx(link_gain * 50));
    for (int i = 0; i < 200; ++i) prices.hopped(1e9, frame_s, frame_s);
    CHECK(prices.link_per_s() * frame_s == doctest::Approx(highest_price));
}

TEST_CASE("what stands idle gets cheaper by a factor of e in each idle_memory, and nothing else does") {
    CHECK(rc::check("any course", [] {
        Prices prices = prices_of(50, 20);
        double lane = prices.lane_per_s();
        double link = prices.link_per_s();
        Instant now{};
        for (int i = 0; i < 20; ++i) {
            const bool lane_idle = number(0, 1) == 0;
            const bool link_idle = number(0, 1) == 0;
            prices.stands(lane_idle, link_idle);
            const Usec took = from_ms(number(0, 300));
            prices.passes(now += took);
            const double kept = std::exp(-to_ms(took) / to_ms(idle_memory));
            if (lane_idle) lane *= kept;
            if (link_idle) link *= kept;
            RC_ASSERT(std::abs(prices.lane_per_s() - lane) <= 1e-9 * lane);
            RC_ASSERT(std::abs(prices.link_per_s() - link) <= 1e-9 * link);
        }
    }));
}

TEST_CASE("the price at a cut is that of the cheapest way on, and never below nothing") {
    CHECK(rc::check("any prices", [] {
        const Prices prices = prices_of(number(0, 128), number(0, 128));
        Board board = board_of(static_cast<size_t>(number(1, 6)), number(0, 3) > 0, number(0, 3) > 0);
        for (float& price : board.next_price) price = static_cast<float>(number(0, 200));
        prices.write(board);
        const size_t end = board.costs.classes;
        for (size_t c = 0; c < end; ++c) {
            const double expected = cheapest(prices, board, c);
            RC_ASSERT(close(board.price[c], std::isfinite(expected) ? expected : 0));
            RC_ASSERT(board.price[c] >= 0);
            RC_ASSERT(board.price_here[c] >= 0);
            if (board.costs.run[c][end].per_s > 0) RC_ASSERT(board.price[c] <= board.price_here[c]);
            if (board.costs.run[c][end].per_s == 0) RC_ASSERT(board.price_here[c] == 0);
            if (board.costs.hop[c].per_s > 0)
                RC_ASSERT(board.price[c] <= static_cast<float>(hop_of(prices, c)) + board.next_price[c] + 1e-3F);
        }
    }));
}

TEST_CASE("a node without the model passes on its successor's price and that of the hop") {
    Board board = board_of(2, false);
    board.next_price = {7, 3};
    prices_of(0, 0).write(board);
    CHECK(board.price[0] == 7 + hop_frames);
    CHECK(board.price[1] == 3 + hop_frames);
    prices_of(99, 10).write(board);
    CHECK(board.price[0] == doctest::Approx(7 + 9));
    CHECK(board.price[1] == doctest::Approx(3 + 4));
    Board alone = board_of(2, false, false);
    prices_of(99, 10).write(alone);
    CHECK(alone.price[0] == 0);  // nothing is known of any way
}

TEST_CASE("round a ring whose lanes cost nothing, prices are forgotten in one round of it") {
    CHECK(rc::check("whatever they were", [] {
        Ring ring = random_ring(false);
        ring.start_at(static_cast<float>(number(0, 1000)));
        for (size_t i = 0; i < ring.boards.size(); ++i) ring.round();
        for (size_t n = 0; n < ring.boards.size(); ++n)
            for (size_t c = 0; c < ring.boards[n].costs.classes; ++c) {
                RC_ASSERT(ring.boards[n].price[c] <= static_cast<float>(ring.bound(n, c)) + 1e-3F);
                if (ring.computes(n)) RC_ASSERT(ring.boards[n].price[c] == 0);
            }
    }));
}

TEST_CASE("prices round a ring do not depend on the past, above the cheapest way for one round, below it for more") {
    CHECK(rc::check("from nothing and from high prices", [] {
        Ring low = random_ring(true);
        Ring high = low;
        low.start_at(0);
        high.start_at(price_max);
        for (size_t i = 1; i <= high.boards.size(); ++i) low.round(), high.round();
        const auto each = [&](auto check) {
            for (size_t n = 0; n < low.boards.size(); ++n)
                for (size_t c = 0; c < low.boards[n].costs.classes; ++c) check(n, c);
        };
        each([&](size_t n, size_t c) { RC_ASSERT(high.boards[n].price[c] <= high.bound(n, c) + 1e-3); });
        // From below they rise by hop_frames at least each time round, up to the highest there can be.
        for (double risen = 0; risen < highest_price + 20.0 * 5; risen += hop_frames)
            for (size_t i = 0; i < low.boards.size(); ++i) low.round(), high.round();
        each([&](size_t n, size_t c) { RC_ASSERT(close(low.boards[n].price[c], high.boards[n].price[c])); });
    }));
}

TEST_CASE("prices learned while a model or a transfer seemed to take no time do not outlive a better measurement") {
    Prices prices;
    for (int i = 0; i < 100; ++i) {
        prices.ran(1e12, 1e-6, 1e-6);
        prices.hopped(1e12, 1e-6, 1e-6);
    }
    Board board = board_of(3);
    prices.write(board);
    CHECK(board.price_here[0] == doctest::Approx(highest_price - ready_frames));
    CHECK(board.price[0] <= highest_price);
    board.costs.run = {};  // only the way to the successor is left
    prices.write(board);
    CHECK(board.price[0] == doctest::Approx(highest_price - 1));
    board.next_price.fill(price_max);
    prices.write(board);
    CHECK(board.price[0] == price_max);
}
