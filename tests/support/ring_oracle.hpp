// The rest of a perfect ring, for unit tests of one node: answers what a ring of the given members would.
#pragma once

#include <algorithm>
#include <set>

#include "tests/support/recording_sink.hpp"

namespace eddy::testing {

class RingOracle {
public:
    explicit RingOracle(uint8_t self) : self_(self) { others_.insert(self); }

    void add(uint8_t member) { others_.insert(member); }
    void remove(uint8_t member) { others_.erase(member); }

    /// Members after `from`, in ring order, without it.
    [[nodiscard]] std::vector<msg::Member> after(uint8_t from) const {
        std::vector<msg::Member> members;
        for (auto it = others_.upper_bound(from); it != others_.end(); ++it) members.push_back(member(*it));
        for (auto it = others_.begin(); it != others_.end() && *it < from; ++it) members.push_back(member(*it));
        return members;
    }

    /// What the members say to the messages sent since the last call; the successor's predecessor says Notify.
    std::vector<std::pair<NodeId, Message>> answers(const RecordingSink& sink) {
        std::vector<std::pair<NodeId, Message>> said;
        for (; seen_ < sink.sent.size(); ++seen_) {
            const auto& [peer, message, tensors] = sink.sent[seen_];
            const uint8_t from = peer.bytes[0];
            if (others_.count(from) == 0) continue;
            if (const auto* find = std::get_if<msg::FindSuccessor>(&message)) {
                auto owners = after(static_cast<uint8_t>(find->key.bytes[0] - 1));
                if (owners.size() > found_members_max) owners.resize(found_members_max);
                said.emplace_back(peer, msg::Found{find->request, true, {}, owners});
            } else if (const auto* get = std::get_if<msg::GetNeighbours>(&message)) {
                said.emplace_back(peer, neighbours_of(from, get->request));
            } else if (const auto* ping = std::get_if<msg::Ping>(&message)) {
                said.emplace_back(peer, msg::Pong{ping->sequence});
            }
        }
        return said;
    }
    /// What a member tells of itself; `request` 0: unasked.
    [[nodiscard]] msg::Neighbours neighbours_of(uint8_t member_, uint64_t request = 0) {
        msg::Neighbours neighbours;
        neighbours.request = request;
        neighbours.version = ++version_;
        neighbours.successors = after(member_);
        if (!neighbours.successors.empty()) neighbours.predecessor = neighbours.successors.back();
        return neighbours;
    }
    /// The member whose successor this node is.
    [[nodiscard]] NodeId predecessor() const { return before(self_); }

private:
    [[nodiscard]] NodeId before(uint8_t key) const {
        const auto it = others_.lower_bound(key);
        return node_id(it == others_.begin() ? *others_.rbegin() : *std::prev(it));
    }

    uint8_t self_;
    std::set<uint8_t> others_;  ///< this node among them
    size_t seen_ = 0;
    uint64_t version_ = 0;
};

}  // namespace eddy::testing
