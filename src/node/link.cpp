#include "src/node/link.hpp"

#include <algorithm>

#include "eddy/assert.hpp"

namespace eddy::node {

namespace {
constexpr size_t rows_remembered = 256;
}  // namespace

bool Link::has_credit(const SourceId& source) const {
    const auto it = outgoing_.find(source);
    return it == outgoing_.end() ? credit_initial > 0 : it->second.sent < it->second.limit;
}

Instant Link::free_at(Usec round_trip) const {
    if (unacknowledged_.empty() || unacknowledged_bytes_ < estimator_.window_bytes(round_trip)) return Instant{};
    if (unacknowledged_.size() > 1 || estimator_.bytes_per_s() <= 0) return never;
    return busy_until_ - round_trip;
}

uint64_t Link::send(scheduler::Item item, uint64_t bytes, Instant now) {
    const SourceId source = item.frame.source;
    EDDY_ASSERT(has_credit(source));
    ++outgoing_[source].sent;
    ++sent_seq_;
    since_report_.push_back({sent_seq_, source, item.layer});
    if (const double bytes_per_s = estimator_.bytes_per_s(); bytes_per_s > 0)
        busy_until_ = std::max(busy_until_, now) + from_seconds(static_cast<double>(bytes) / bytes_per_s);
    if (since_report_.size() > sources_max * 4) since_report_.pop_front();
    bytes_of_[sent_seq_] = bytes;
    unacknowledged_bytes_ += bytes;
    unacknowledged_.emplace_back(sent_seq_, std::move(item));
    return sent_seq_;
}

Link::Receipt Link::on_ack(const msg::Ack& ack) {
    Receipt receipt;
    if (ack.seq > sent_seq_) return receipt;
    if (const auto bytes = bytes_of_.find(ack.seq); bytes != bytes_of_.end())
        estimator_.on_receipt(bytes->second, std::max(Usec{0}, ack.last_byte - ack.first_byte));
    while (!unacknowledged_.empty() && unacknowledged_.front().first <= ack.seq) {
        auto& [seq, item] = unacknowledged_.front();
        const auto bytes = bytes_of_.find(seq);
        unacknowledged_bytes_ -= bytes->second;
        bytes_of_.erase(bytes);
        if (seq == ack.seq && !ack.accepted)
            receipt.refused = std::move(item);
        else
            receipt.accepted.push_back(std::move(item));
        unacknowledged_.pop_front();
    }
    for (const auto& credit : ack.credits) {
        // Only sources this node has sent: a neighbour cannot make it remember more.
        const auto it = outgoing_.find(credit.source);
        if (it != outgoing_.end()) it->second.limit = std::max(it->second.limit, credit.limit);
    }
    return receipt;
}

std::vector<scheduler::Item> Link::take_unacknowledged() {
    std::vector<scheduler::Item> items;
    for (auto& [seq, item] : unacknowledged_) items.push_back(std::move(item));
    unacknowledged_.clear();
    bytes_of_.clear();
    unacknowledged_bytes_ = 0;
    return items;
}

uint64_t Link::send_rows(uint64_t bytes) {
    rows_bytes_.push_back(bytes);
    if (rows_bytes_.size() > rows_remembered) rows_bytes_.pop_front();
    return ++rows_sent_;
}

void Link::on_rows_ack(const msg::RowsAck& ack) {
    if (ack.seq > rows_sent_ || ack.seq + rows_bytes_.size() <= rows_sent_) return;
    const uint64_t bytes = rows_bytes_[static_cast<size_t>(rows_bytes_.size() - 1 - (rows_sent_ - ack.seq))];
    estimator_.on_receipt(bytes, std::max(Usec{0}, ack.last_byte - ack.first_byte));
}

bool Link::on_state(const msg::NodeState& state, Instant now) {
    if (state_known_ && state.sequence <= state_.sequence) return false;
    state_ = state;
    state_at_ = now;
    state_known_ = true;
    while (!since_report_.empty() && since_report_.front().seq <= state.as_of_seq) since_report_.pop_front();
    return true;
}

bool Link::accepts(const msg::Work& work) const {
    if (work.seq != received_seq_ + 1) return false;
    const auto it = incoming_.find(work.frame.source);
    if (it == incoming_.end()) return incoming_.size() < sources_max;
    return it->second.received < it->second.limit;
}

void Link::on_work(const msg::Work& work) {
    received_seq_ = work.seq;
    auto [at, first] = incoming_.try_emplace(work.frame.source);
    outstanding_ += first ? at->second.limit : 0;
    --outstanding_;
    ++at->second.received;
}

uint64_t Link::outstanding(const SourceId& source) const {
    const auto it = incoming_.find(source);
    return it == incoming_.end() ? 0 : it->second.limit - it->second.received;
}

void Link::grant(const SourceId& source, uint64_t more) {
    const auto it = incoming_.find(source);
    if (it == incoming_.end() || more == 0) return;
    it->second.limit += more;
    outstanding_ += more;
}

std::optional<msg::Ack> Link::take_ack(bool else_due) {
    // Grants wait for a receipt to go with, but not until the neighbour has none left: it would have to wait for them.
    const bool urgent = std::any_of(incoming_.begin(), incoming_.end(), [](const auto& entry) {
        const Incoming& in = entry.second;
        return in.limit > in.told && in.told - in.received <= credit_window / 2;
    });
    if (!owed_ && !urgent && !else_due) return std::nullopt;
    msg::Ack ack = owed_.value_or(msg::Ack{received_seq_, 0, Usec{0}, Usec{0}, true, {}});
    owed_.reset();
    for (auto& [source, in] : incoming_)
        if (in.limit > in.told) ack.credits.push_back({source, in.told = in.limit});
    return ack;
}

}  // namespace eddy::node
