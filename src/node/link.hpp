// One neighbour, as flow control sees it: work sent and not acknowledged, credits both ways, its reported backlog.
// Lives as long as the connection; what was unacknowledged is handed back when it ends.
#pragma once

#include <deque>
#include <map>
#include <optional>
#include <vector>

#include "eddy/messages.hpp"
#include "scheduler/item.hpp"
#include "src/node/link_estimator.hpp"
#include "src/node/progress.hpp"

namespace eddy::node {

/// Work of a source one may send before the receiver has said anything.
inline constexpr uint64_t credit_initial = 1;
/// What a neighbour may still send of a source, at most.
inline constexpr uint64_t credit_window = 8;
/// A reported backlog older than this counts for nothing.
inline constexpr Usec view_expires = std::chrono::seconds(1);
/// Who sent work so lately is granted more, predecessor or not.
inline constexpr Usec feeds_for = std::chrono::seconds(2);

class Link {
public:
    explicit Link(uint64_t connection) : connection_(connection) {}
    [[nodiscard]] uint64_t connection() const { return connection_; }

    // -- work going out --------------------------------------------------------------------------------------------
    [[nodiscard]] bool has_credit(const SourceId& source) const;
    /// From when on the link takes another message: nothing is unacknowledged, or less than 2·RTT·bandwidth, or one
    /// message whose last byte will have left within a round trip, so that the link need not wait for its receipt.
    /// `never`: a receipt must come first.
    [[nodiscard]] Instant free_at(Usec round_trip) const;
    /// Books the item as sent and returns its sequence number. The link holds the item until its receipt.
    uint64_t send(scheduler::Item item, uint64_t bytes, Instant now);
    struct Receipt {
        std::vector<scheduler::Item> accepted;
        std::optional<scheduler::Item> refused;
    };
    /// Items this receipt settles. Numbers never sent settle nothing.
    Receipt on_ack(const msg::Ack& ack);
    /// Everything without receipt, oldest first; the link forgets it.
    std::vector<scheduler::Item> take_unacknowledged();
    [[nodiscard]] uint64_t unacknowledged_bytes() const { return unacknowledged_bytes_; }
    [[nodiscard]] const std::deque<std::pair<uint64_t, scheduler::Item>>& unacknowledged() const {
        return unacknowledged_;
    }
    [[nodiscard]] const LinkEstimator& estimator() const { return estimator_; }
    [[nodiscard]] LinkEstimator& estimator() { return estimator_; }
    [[nodiscard]] const Progress& progress() const { return progress_; }
    [[nodiscard]] Progress& progress() { return progress_; }

    // -- rows of plans (EdgeFlow): checked by the plan, so they need no credit; receipts only tell how fast the link is
    /// Books a message of rows and returns its number.
    uint64_t send_rows(uint64_t bytes);
    void on_rows_ack(const msg::RowsAck& ack);

    // -- what the neighbour says of itself -------------------------------------------------------------------------
    /// False: older than what is known, ignored.
    bool on_state(const msg::NodeState& state, Instant now);
    [[nodiscard]] const msg::NodeState& state() const { return state_; }
    [[nodiscard]] bool state_known() const { return state_known_; }
    [[nodiscard]] Instant state_at() const { return state_at_; }
    [[nodiscard]] bool state_fresh(Instant now) const { return state_known_ && now - state_at_ <= view_expires; }
    /// What waits there: reported, unless the report is stale, and sent since; a source and layer may come repeatedly.
    template <class Visit>  ///< (const SourceId&, uint16_t layer, uint32_t frames)
    void each_backlog(Instant now, Visit visit) const {
        if (state_fresh(now))
            for (const auto& backlog : state_.backlog) visit(backlog.source, backlog.layer, backlog.frames);
        for (const auto& sent : since_report_) visit(sent.source, sent.layer, 1U);
    }

    // -- work coming in --------------------------------------------------------------------------------------------
    /// Checks the sequence number and the credit. False: the neighbour broke the protocol.
    [[nodiscard]] bool accepts(const msg::Work& work) const;
    void on_work(const msg::Work& work);
    [[nodiscard]] uint64_t received_seq() const { return received_seq_; }
    /// Work of `source` the neighbour may still send.
    [[nodiscard]] uint64_t outstanding(const SourceId& source) const;
    /// Of all sources together.
    [[nodiscard]] uint64_t outstanding() const { return outstanding_; }
    /// Whether the neighbour has ever sent work of `source`.
    [[nodiscard]] bool feeds(const SourceId& source) const { return incoming_.count(source) != 0; }
    [[nodiscard]] size_t feeding() const { return incoming_.size(); }
    /// Work came from there at `now`; and whether it did lately.
    void fed(Instant now) { fed_until_ = now + feeds_for; }
    [[nodiscard]] bool fed_lately(Instant now) const { return now < fed_until_; }
    void grant(const SourceId& source, uint64_t more);
    /// Receipt for the work just taken; it goes out with the next take_ack(), so that it brings what was granted since.
    void owe(const msg::Ack& ack) { owed_ = ack; }
    /// What is to be sent now: the receipt that is owed, or one for nothing new if the neighbour runs out of credit, or
    /// if there is something `else_due` to go with it.
    std::optional<msg::Ack> take_ack(bool else_due = false);

private:
    struct Outgoing {
        uint64_t sent = 0;
        uint64_t limit = credit_initial;
    };
    struct Incoming {
        uint64_t received = 0;
        uint64_t limit = credit_initial;
        uint64_t told = credit_initial;  ///< the limit the neighbour knows
    };
    uint64_t connection_;
    uint64_t sent_seq_ = 0;
    std::deque<std::pair<uint64_t, scheduler::Item>> unacknowledged_;
    std::map<uint64_t, uint64_t> bytes_of_;  ///< of unacknowledged messages, by sequence number
    uint64_t unacknowledged_bytes_ = 0;
    std::map<SourceId, Outgoing> outgoing_;
    struct Sent {
        uint64_t seq;
        SourceId source;
        uint16_t layer;
    };
    std::deque<Sent> since_report_;  ///< and not yet in the neighbour's report; bounded
    uint64_t rows_sent_ = 0;
    std::deque<uint64_t> rows_bytes_;  ///< of the last messages of rows, the newest last; bounded
    Instant busy_until_{};           ///< when the last byte sent will have left, by the estimated bandwidth
    LinkEstimator estimator_;
    Progress progress_;
    msg::NodeState state_;
    Instant state_at_{};
    bool state_known_ = false;
    uint64_t received_seq_ = 0;
    uint64_t outstanding_ = 0;  ///< of the sources in incoming_
    std::map<SourceId, Incoming> incoming_;
    std::optional<msg::Ack> owed_;
    Instant fed_until_{};
};

}  // namespace eddy::node
