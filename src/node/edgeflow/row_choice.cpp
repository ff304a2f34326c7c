#include "src/node/edgeflow/row_choice.hpp"

#include <algorithm>
#include <cmath>

namespace eddy::node {

namespace {
constexpr Usec failed_pause = std::chrono::seconds(5);
constexpr uint64_t failed_pauses_max = 12;
/// After so long without a failure the next plan may have twice the window again.
constexpr Usec window_grows_after = std::chrono::minutes(1);
/// So much of what a plan could carry at best it carries without frames waiting for each other.
constexpr double easy_share = 0.8;
/// Of what the other way would carry, to stay with this one.
constexpr double stay_share = 0.9;

bool same_nodes(const RowFacts& a, const RowFacts& b) {
    return std::equal(a.devices.begin(), a.devices.end(), b.devices.begin(), b.devices.end(),
                      [](const auto& one, const auto& other) { return one.node == other.node; });
}

bool apart(double a, double b, double part) { return std::abs(a - b) > part * std::max(std::abs(a), std::abs(b)); }

std::string rounded(double number) {
    const auto hundredths = static_cast<int64_t>(std::llround(number * 100));
    const auto rest = hundredths % 100;
    return std::to_string(hundredths / 100) + (rest < 10 ? ".0" : ".") + std::to_string(rest);
}

double milliseconds(Usec time) { return static_cast<double>(time.count()) / 1000; }
}  // namespace

bool RowChoice::changed(const RowFacts& facts, double part) const {
    if (!same_nodes(facts, planned_for_)) return true;
    for (size_t i = 0; i < facts.devices.size(); ++i)
        if (apart(facts.devices[i].speed, planned_for_.devices[i].speed, part)) return true;
    for (size_t i = 0; i < facts.links.size(); ++i)
        if (apart(facts.links[i].bytes_per_s, planned_for_.links[i].bytes_per_s, part)) return true;
    return false;
}

std::optional<PlanRequest> RowChoice::consider(const RowFacts& facts, const RowPlan* current, uint64_t failures,
                                               Instant now) {
    if (failures != failures_) {
        failures_ = failures;
        window_ = std::max(1U, window_ / 2);  // it may have been memory that was missing
        window_since_ = now;
        not_before_ = now + failed_pause * static_cast<int64_t>(std::min(++failures_in_a_row_, failed_pauses_max));
        proposal_ = current != nullptr ? before_ : std::nullopt;
        planned_for_ = {};
    } else if (current != nullptr && now - not_before_ >= failed_pause) {
        failures_in_a_row_ = 0;  // the plan stands
    }
    const bool gone = proposal_ && current == nullptr;  // with a device that may be back already
    const bool narrow = current != nullptr && current->window < window_max && now - window_since_ >= window_grows_after;
    if (partition_ == PartitionKind::chain || asked_ || now < not_before_ || facts.devices.size() < 2 ||
        (!gone && !narrow && !changed(facts, moved)))
        return std::nullopt;
    if (gone) {
        proposal_.reset();
        planned_for_ = {};
    }
    not_before_ = now + plan_every;
    asked_ = true;
    const bool far = changed(facts, moved_far);
    gain_asked_ = same_nodes(facts, planned_for_) ? gain : gain_of_others;
    planned_for_ = facts;
    if (now - window_since_ >= window_grows_after) {
        window_ = std::min(window_max, window_ * 2);
        window_since_ = now;
    }
    PlanRequest request;
    request.number = ++requests_;
    request.devices = facts.devices;
    request.links = facts.links;
    request.window = window_;
    const auto known = [&](const NodeId& node) {
        return std::any_of(facts.devices.begin(), facts.devices.end(),
                           [&](const auto& device) { return device.node == node; });
    };
    if (current != nullptr && std::all_of(current->devices.begin(), current->devices.end(), known))
        request.from = *current;
    request.afresh = far;
    return request;
}

std::string RowChoice::in_words() const {
    if (!proposal_) return "";
    std::string text = "a plan over rows is predicted to take " + rounded(milliseconds(proposal_->latency)) + " ms, " +
                       rounded(milliseconds(proposal_->alone)) + " ms here alone; devices:";
    for (const auto& device : planned_for_.devices)
        text += " " + short_name(device.node) + " at speed " + rounded(device.speed);
    double least = 0;
    double most = 0;
    const size_t n = planned_for_.devices.size();
    for (size_t i = 0; i < planned_for_.links.size(); ++i) {
        if (i / n == i % n) continue;
        const double mbit_per_s = planned_for_.links[i].bytes_per_s * 8e-6;
        least = least == 0 ? mbit_per_s : std::min(least, mbit_per_s);
        most = std::max(most, mbit_per_s);
    }
    return text + "; links of " + rounded(least) + " to " + rounded(most) + " Mbit/s";
}

std::optional<RowPlan> RowChoice::made(const ev::PlanMade& made, bool in_use) {
    if (!asked_ || made.request != requests_) return std::nullopt;
    asked_ = false;
    if (!made.proposal) return std::nullopt;
    const PlanProposal& found = *made.proposal;
    const auto us = [](Usec time) { return static_cast<double>(time.count()); };
    const bool wider = proposal_ && found.plan.window > proposal_->plan.window;
    const double gain_needed = wider ? 1.0 : gain_asked_;
    if (in_use && found.latency_before > Usec{0} && us(found.latency) > gain_needed * us(found.latency_before)) {
        if (proposal_) proposal_->latency = found.latency_before;
        return std::nullopt;
    }
    before_ = in_use ? proposal_ : std::nullopt;
    proposal_ = found;
    return found.plan;
}

bool RowChoice::rows_carry_more(const RowFacts& facts) const {
    const double rows_per_s = proposal_->period > Usec{0} ? 1 / to_seconds(proposal_->period) : 0;
    return rows_ ? rows_per_s > stay_share * facts.chain_per_s : stay_share * rows_per_s > facts.chain_per_s;
}

bool RowChoice::by_rows(const RowFacts& facts, Instant now) {
    if (partition_ == PartitionKind::edgeflow) return true;
    if (partition_ == PartitionKind::chain || !proposal_) return false;
    if (now - mode_since_ < mode_for) return rows_;
    const double easy_per_s = proposal_->period > Usec{0} ? easy_share / to_seconds(proposal_->period) : 0;
    const bool few = !facts.held_back && facts.offered_per_s < easy_per_s;
    const bool rows = few || rows_carry_more(facts);
    if (rows != rows_) mode_since_ = now;
    rows_ = rows;
    return rows_;
}

}  // namespace eddy::node
