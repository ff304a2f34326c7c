// Goal: every row a device lacks comes from the one that owns it, once. Method: any split, also with more devices than
// rows, counted row by row.
#include <algorithm>
#include <limits>

#include <doctest/doctest.h>
#include <rapidcheck.h>

#include "models/graph/row_split.hpp"

using namespace eddy;
using namespace eddy::graph;

namespace {

int64_t pick(int64_t low, int64_t high) { return *rc::gen::inRange<int64_t>(low, high + 1); }

RowSplit random_split() {
    const int64_t rows = pick(0, 12);
    std::vector<int64_t> bounds{0, rows};
    for (int64_t more = pick(0, 15); more > 0; --more) bounds.push_back(pick(0, rows));
    std::sort(bounds.begin(), bounds.end());
    return RowSplit::make(bounds, rows).value();
}

RowRange random_range(int64_t rows) {
    const int64_t begin = pick(0, rows);
    return {begin, pick(begin, rows)};
}

bool has(RowRange rows, int64_t row) { return rows.begin <= row && row < rows.end; }

std::string refusal(const RowSplit& split, size_t device, RowRange holds, RowRange needs) {
    const auto transfers = transfers_to(split, device, holds, needs);
    return transfers ? "" : transfers.error().message;
}

}  // namespace

TEST_CASE("the parts of a split are every row once") {
    CHECK(rc::check("any split", [] {
        const RowSplit split = random_split();
        int64_t next = 0;
        for (size_t device = 0; device < split.devices(); ++device) {
            RC_ASSERT(split.part(device).begin == next);
            RC_ASSERT(split.part(device).end >= next);
            next = split.part(device).end;
        }
        RC_ASSERT(next == split.rows());
        RC_ASSERT(split.part(split.devices()).empty());
    }));
}

TEST_CASE("a device lacks what it needs and does not hold, in at most two pieces") {
    CHECK(rc::check("any ranges", [] {
        const RowRange needs = random_range(12);
        const RowRange holds = random_range(12);
        const auto pieces = lacking(needs, holds);
        RC_ASSERT(pieces.size() <= 2);
        for (size_t i = 0; i < pieces.size(); ++i) RC_ASSERT(!pieces[i].empty());
        if (pieces.size() == 2) RC_ASSERT(pieces[0].end <= pieces[1].begin);
        for (int64_t row = 0; row < 12; ++row) {
            const auto covering = std::count_if(pieces.begin(), pieces.end(), [&](RowRange r) { return has(r, row); });
            RC_ASSERT(covering == (has(needs, row) && !has(holds, row) ? 1 : 0));
        }
    }));
}

TEST_CASE("every row that is lacking comes from the one device that owns it, and no other row comes") {
    CHECK(rc::check("any split, any rows held and needed", [] {
        const RowSplit split = random_split();
        const auto device = static_cast<size_t>(pick(0, static_cast<int64_t>(split.devices()) - 1));
        const RowRange needs = random_range(split.rows());
        RowRange holds = split.part(device);  // and rows around it, if any
        if (!holds.empty()) holds = {pick(0, holds.begin), pick(holds.end, split.rows())};
        const auto transfers = transfers_to(split, device, holds, needs).value();
        std::vector<int> come(static_cast<size_t>(split.rows()), 0);
        int64_t next = 0;
        for (const RowTransfer& transfer : transfers) {
            RC_ASSERT(!transfer.rows.empty());
            RC_ASSERT(transfer.owner != device);
            RC_ASSERT(transfer.rows.begin >= next);
            next = transfer.rows.end;
            for (int64_t row = transfer.rows.begin; row < transfer.rows.end; ++row) {
                RC_ASSERT(has(split.part(transfer.owner), row));
                ++come.at(static_cast<size_t>(row));
            }
        }
        for (int64_t row = 0; row < split.rows(); ++row)
            RC_ASSERT(come[static_cast<size_t>(row)] == (has(needs, row) && !has(holds, row) ? 1 : 0));
        RC_ASSERT(transfers.size() <= split.devices());
    }));
    const RowSplit split = RowSplit::make({0, 4, 4, 6, 10}, 10).value();
    CHECK(transfers_to(split, 2, {4, 6}, {2, 8}).value() == std::vector<RowTransfer>{{0, {2, 4}}, {3, {6, 8}}});
    CHECK(transfers_to(split, 1, {}, {2, 8}).value() ==
          std::vector<RowTransfer>{{0, {2, 4}}, {2, {4, 6}}, {3, {6, 8}}});
}

TEST_CASE("a split, a device or rows that cannot be are refused") {
    CHECK(RowSplit::make({0, 3, 3, 7}, 7).ok());
    CHECK(RowSplit::make({0, 0}, 0).ok());
    for (const std::vector<int64_t>& bad : {std::vector<int64_t>{}, {0}, {7}, {1, 7}, {0, 6}, {0, 8, 7}, {0, -1, 7}})
        CHECK_FALSE(RowSplit::make(bad, 7).ok());
    CHECK_FALSE(RowSplit::make({0, -1}, -1).ok());
    const RowSplit split = RowSplit::make({0, 4, 7}, 7).value();
    CHECK(refusal(split, 1, {4, 7}, {0, 7}).empty());
    CHECK(refusal(split, 2, {}, {0, 1}).find("none of the split's 2") != std::string::npos);
    CHECK(refusal(split, 0, {0, 4}, {0, 8}).find("has 7") != std::string::npos);
    CHECK(refusal(split, 0, {-1, 4}, {0, 7}).find("has 7") != std::string::npos);
    CHECK(refusal(split, 0, {5, 4}, {0, 7}).find("has 7") != std::string::npos);
    CHECK(refusal(split, 1, {5, 7}, {0, 7}).find("owns rows 4 to 5 and lacks them") != std::string::npos);
}

TEST_CASE("the shares of a split's parts add up to the whole, however large") {
    CHECK(rc::check("any amount", [] {
        const RowSplit split = random_split();
        const auto amount = *rc::gen::arbitrary<uint64_t>() << pick(0, 40);
        uint64_t sum = 0;
        double fractions = 0;
        for (size_t device = 0; device < split.devices(); ++device) {
            const RowRange part = split.part(device);
            const uint64_t share = row_share(amount, part, split.rows());
            const double fraction = row_fraction(part, split.rows());
            RC_ASSERT(std::abs(static_cast<double>(share) - static_cast<double>(amount) * fraction) <=
                      1 + 1e-9 * static_cast<double>(amount));
            sum += share;
            fractions += fraction;
        }
        RC_ASSERT(sum == (split.rows() == 0 ? 0 : amount));
        RC_ASSERT(std::abs(fractions - (split.rows() == 0 ? 0 : 1)) < 1e-9);
    }));
    CHECK(row_share(1000, {1, 3}, 8) == 250);
    CHECK(row_fraction({1, 3}, 8) == 0.25);
    constexpr int64_t most = int64_t{1} << 31;
    CHECK(row_share(std::numeric_limits<uint64_t>::max(), {0, most}, most) == std::numeric_limits<uint64_t>::max());
    CHECK(row_share(1000, {0, 9}, 8) == 0);
    CHECK(row_share(1000, {-1, 8}, 8) == 0);
    CHECK(row_share(1000, {0, 0}, 0) == 0);
    CHECK(row_fraction({0, 1}, 0) == 0);
}

TEST_CASE("the hull of two ranges holds both, and an empty one adds nothing") {
    CHECK(hull({2, 4}, {7, 9}) == RowRange{2, 9});
    CHECK(hull({7, 9}, {2, 4}) == RowRange{2, 9});
    CHECK(hull({2, 4}, {9, 9}) == RowRange{2, 4});
    CHECK(hull({9, 9}, {2, 4}) == RowRange{2, 4});
    CHECK(hull({9, 9}, {3, 3}) == RowRange{});
}
