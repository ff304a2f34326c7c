#include "ring/lookup.hpp"

#include <algorithm>

#include "ring/interval.hpp"

namespace eddy::ring {

void Lookup::offer(const msg::Member& candidate) {
    if (candidate.id == self_ || candidate.id == key_) return;
    for (const auto& known : candidates_)
        if (known.member.id == candidate.id) return;
    const auto further = [&](const Candidate& a, const NodeId& b) { return in_open(a.member.id, b, key_); };
    const auto place = std::lower_bound(candidates_.begin(), candidates_.end(), candidate.id, further);
    if (candidates_.size() < candidates_max) {
        candidates_.insert(place, {candidate, false, false});
    } else if (place != candidates_.begin()) {
        std::move(candidates_.begin() + 1, place, candidates_.begin());  // the furthest makes room
        *std::prev(place) = {candidate, false, false};
    }
}

void Lookup::conclude(const msg::Member& from, std::vector<msg::Member> successors) {
    predecessor_ = from;
    successors_ = std::move(successors);
    concluded_ = true;
    checked_ = 0;
}

void Lookup::reckon(const msg::Member& from, std::vector<msg::Member> successors) {
    if (successors.empty() || (closest_ && !in_open(closest_->id, from.id, key_))) return;
    closest_ = from;
    closest_after_ = std::move(successors);
}

std::optional<msg::Member> Lookup::next(Instant now) {
    asked_.reset();
    if (finished_) return std::nullopt;
    if (questions_ >= questions_max) {
        end(false);
        return std::nullopt;
    }
    if (concluded_) {
        // Where this node itself is the answer, or the predecessor is what was asked for, nobody needs asking.
        const bool place_only = why_ == Why::join || why_ == Why::introduce;
        if (checked_ < successors_.size() && (place_only || successors_[checked_].id == self_)) {
            end(true);
            return std::nullopt;
        }
        if (checked_ < successors_.size()) {
            asked_ = successors_[checked_];
        } else {
            concluded_ = false;  // none of them lives; someone before them may know better
        }
    }
    if (!asked_) {
        const auto fresh =
            std::find_if(candidates_.rbegin(), candidates_.rend(), [](const auto& c) { return !c.used; });
        if (fresh == candidates_.rend()) {
            // All nodes nearer to the key are dead: the nearest that lives is its predecessor, known to itself or not.
            if (closest_after_.empty()) {
                if (begin_second_round()) return next(now);
                end(false);
                return std::nullopt;
            }
            conclude(*closest_, std::exchange(closest_after_, {}));
            return next(now);
        }
        fresh->used = true;
        asked_ = fresh->member;
    }
    ++questions_;
    asked_again_ = false;
    asked_at_ = now;
    return asked_;
}

void Lookup::on_found(const msg::Found& found) {
    if (!asked_) return;
    const msg::Member from = *asked_;
    asked_.reset();
    if (concluded_) return end(true);  // the successor lives
    ++hops_;
    // Whoever is alone speaks for a ring of its own. Met on the way through another one, it has only just begun to
    // join.
    const bool is_alone = found.done && found.after.size() == 1 && found.after.front().id == from.id;
    if (is_alone && (hops_ > 1 || closest_)) return;
    if (found.done && !found.after.empty()) {
        const msg::Member& owner = found.after.front();
        if (owner.endpoint.port != 0 && in_open_closed(from.id, key_, owner.id)) conclude(from, found.after);
        return;
    }
    // Only nodes closer to the key than whoever names them: a liar cannot send the lookup round in circles.
    for (const auto& member : found.before)
        if (member.endpoint.port != 0 && in_open(from.id, member.id, key_)) offer(member);
    reckon(from, found.after);
}

void Lookup::on_failed() {
    if (!asked_) return;
    const NodeId silent = asked_->id;
    asked_.reset();
    ++timeouts_;
    if (concluded_) ++checked_;
    for (auto& candidate : candidates_)
        if (candidate.used && candidate.member.id == silent) candidate.failed = true;
}

/// Nobody could tell: those who were silent are asked once more, the closest first, before the lookup fails.
bool Lookup::begin_second_round() {
    if (std::exchange(second_round_, true)) return false;
    constexpr size_t asked_anew_max = 3;
    size_t asked_anew = 0;
    for (auto candidate = candidates_.rbegin(); candidate != candidates_.rend() && asked_anew < asked_anew_max;
         ++candidate)
        if (candidate->failed) {
            candidate->used = candidate->failed = false;
            ++asked_anew;
        }
    return asked_anew > 0;
}

void Lookup::end(bool found) {
    finished_ = true;
    found_ = found;
}

LookupResult Lookup::result(Instant now) const {
    LookupResult result;
    result.lookup = number_;
    result.key = key_;
    result.found = found_;
    if (found_) result.owner = successors_[checked_];
    result.hops = hops_;
    result.timeouts = timeouts_;
    result.took = now - begun_;
    return result;
}

}  // namespace eddy::ring
