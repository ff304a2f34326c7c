#include "models/graph/row_split.hpp"

#include <algorithm>
#include <string>

namespace eddy::graph {

namespace {

std::string text(RowRange rows) { return std::to_string(rows.begin) + " to " + std::to_string(rows.end); }

}  // namespace

Result<RowSplit> RowSplit::make(std::vector<int64_t> bounds, int64_t rows) {
    if (bounds.size() < 2) return invalid("a split needs at least one device");
    if (bounds.front() != 0 || bounds.back() != rows)
        return invalid("a split of " + std::to_string(rows) + " rows goes from " + std::to_string(bounds.front()) +
                       " to " + std::to_string(bounds.back()));
    if (!std::is_sorted(bounds.begin(), bounds.end())) return invalid("the bounds of a split descend");
    return RowSplit(std::move(bounds));
}

RowRange RowSplit::part(size_t device) const {
    if (device >= devices()) return {};
    return {bounds_[device], bounds_[device + 1]};
}

std::vector<RowRange> lacking(RowRange needs, RowRange holds) {
    if (needs.empty()) return {};
    if (holds.empty()) return {needs};
    std::vector<RowRange> pieces;
    for (const RowRange piece : {RowRange{needs.begin, std::min(needs.end, holds.begin)},
                                 RowRange{std::max(needs.begin, holds.end), needs.end}})
        if (!piece.empty()) pieces.push_back(piece);
    return pieces;
}

Result<std::vector<RowTransfer>> transfers_to(const RowSplit& split, size_t device, RowRange holds, RowRange needs) {
    if (device >= split.devices())
        return invalid("device " + std::to_string(device) + " is none of the split's " +
                       std::to_string(split.devices()));
    for (const RowRange rows : {holds, needs})
        if (!rows.within(split.rows()))
            return invalid("rows " + text(rows) + " of a value that has " + std::to_string(split.rows()));
    std::vector<RowTransfer> transfers;
    for (const RowRange piece : lacking(needs, holds)) {
        // The last bound that is not above the first row: owners of nothing lie before it.
        const auto above = std::upper_bound(split.bounds().begin(), split.bounds().end(), piece.begin);
        auto owner = static_cast<size_t>(above - split.bounds().begin()) - 1;
        for (int64_t row = piece.begin; row < piece.end; ++owner) {
            const RowRange rows{row, std::min(piece.end, split.part(owner).end)};
            if (rows.empty()) continue;
            if (owner == device)
                return invalid("device " + std::to_string(device) + " owns rows " + text(rows) + " and lacks them");
            transfers.push_back({owner, rows});
            row = rows.end;
        }
    }
    return transfers;
}

}  // namespace eddy::graph
