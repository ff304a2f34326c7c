// What one decision of a policy costs, changes of its view included: the successor's backlog of one queue is another
// one, prices are written, a run and a hop are picked, a frame leaves its queue and one comes to another.
// At most 1 us at 8 sources x 5 cuts and 5 us at 100 x 5. Interleaved rounds, medians; one JSON object.
//
//   bench_scheduler [ROUNDS]
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <memory>
#include <vector>

#include "eddy/random.hpp"
#include "eddy/real_clock.hpp"
#include "scheduler/policy.hpp"
#include "scheduler/prices.hpp"
#include "scheduler/queue_set.hpp"

namespace eddy::bench {
namespace {

using namespace eddy::scheduler;

constexpr size_t cuts = 5;
constexpr uint32_t frames_per_queue = 3;  // on the mean; some are empty, few are full
constexpr uint32_t queue_frames = 16;

struct Size {
    size_t sources;
    size_t decisions;  ///< in a round; a round takes about a millisecond
    double ns_max;
};
constexpr Size sizes[] = {{8, 2000, 1000}, {100, 400, 5000}};

/// A frame leaves `from` and another comes to `to`; of `told` the successor tells another length.
struct Change {
    struct Place {
        size_t row;
        size_t queue;
    };
    Place from, to, told;
    uint32_t next = 0;
};

/// A node in the middle of a ring of equal devices with a model of 10 ms, and changes that bring it back to where it
/// began. Every policy sees the same of what it looks at.
class Node {
public:
    Node(PolicyKind kind, const Size& size)
        : policy_(make_policy(kind)),
          queues_(policy_->uses_cuts() ? cuts : 2, [](const Item&) { return HeadFacts{}; }) {
        fill_board(size.sources);
        Random random(7);
        const auto place = [&] {
            const size_t queue = random.below(queues_.board().queues + (policy_->uses_cuts() ? 0 : 1));
            return Change::Place{random.below(size.sources), queue == queues_.board().queues ? queue_local : queue};
        };
        for (size_t i = 0; i < size.sources * queues_.board().queues * frames_per_queue; ++i) push(place());
        prices_.ran(2000, 0.01, 0.01);
        prices_.hopped(1000, 0.005, 0.005);
        auto lengths = queues_.board().rows;
        while (changes_.size() < size.decisions / 2) {
            const Change change{place(), place(), place(), static_cast<uint32_t>(random.below(2 * frames_per_queue))};
            if (lengths[change.from.row].here[change.from.queue] == 0) continue;
            --lengths[change.from.row].here[change.from.queue];
            ++lengths[change.to.row].here[change.to.queue];
            changes_.push_back(change);
        }
        for (size_t i = changes_.size(); i-- > 0;)
            changes_.push_back({changes_[i].to, changes_[i].from, changes_[i].told, changes_[i].next});
    }

    /// Of one decision. `asked`: the policy is; otherwise only its view changes.
    double round_ns(bool asked) {
        Board& board = queues_.board();
        const Instant began = real_now();
        for (const Change& change : changes_) {
            board.rows[change.told.row].next[change.told.queue] = change.next;
            if (policy_->uses_cuts()) prices_.write(board);
            if (asked) {
                if (const auto run = policy_->pick_run(board)) picked_ += run->row;
                if (const auto hop = policy_->pick_hop(board)) picked_ += hop->row;
            }
            move(change);
        }
        return to_seconds(real_now() - began) * 1e9 / static_cast<double>(changes_.size());
    }

    [[nodiscard]] const char* name() const { return policy_->name(); }
    [[nodiscard]] size_t picked() const { return picked_; }

private:
    void fill_board(size_t sources) {
        for (size_t i = 0; i < sources; ++i) {
            SourceId source;
            source.node.bytes[0] = static_cast<uint8_t>(i / 2);
            source.stream.value = static_cast<uint16_t>(i % 2);
            (void)queues_.open(source);
        }
        Board& board = queues_.board();
        for (size_t i = 0; i < sources; ++i) {
            board.rows[i].own = i < 2;
            board.rows[i].last = i >= sources - 2;
            board.rows[i].credit = true;
        }
        board.queue_frames = queue_frames;
        board.link = board.lane = true;
        if (!policy_->uses_cuts()) {
            board.costs = class_costs({{0}, {0, 0.01}, {0.005}, {{0, from_ms(10)}}, true}, 20);
        } else {
            const std::vector<msg::Remaining> next{
                {0, from_ms(10)}, {4, from_ms(8)}, {8, from_ms(6)}, {12, from_ms(4)}, {16, from_ms(2)}};
            board.costs = class_costs({{0, 4, 8, 12, 16},
                                       {0, 0.0005, 0.004, 0.006, 0.007, 0.01},
                                       {0.005, 0.004, 0.002, 0.001, 0.0005},
                                       next,
                                       true},
                                      20);
        }
        for (uint8_t i = 1; policy_->uses_workers() && i <= 4; ++i) {
            Worker worker;
            worker.node.bytes[0] = static_cast<uint8_t>(200 + i);
            worker.model_s = 0.01;
            worker.transfer_s = 0.005;
            worker.backlog = i;
            worker.free = true;
            worker.credit.fill(~uint64_t{0});
            board.workers.push_back(worker);
        }
    }

    void push(const Change::Place& place) {
        Item item;
        item.frame.source = queues_.board().rows[place.row].source;
        item.tensors.resize(1);
        item.since = now_ += Usec(1);
        queues_.push_back(place.row, place.queue, std::move(item), now_);
    }

    /// The frame that leaves is the one that comes, so that no memory is asked for.
    void move(const Change& change) {
        Item item = queues_.pop(change.from.row, change.from.queue, now_ += Usec(1));
        item.frame.source = queues_.board().rows[change.to.row].source;
        item.since = now_;
        queues_.push_back(change.to.row, change.to.queue, std::move(item), now_);
    }

    std::unique_ptr<Policy> policy_;
    QueueSet queues_;
    Prices prices_;
    std::vector<Change> changes_;
    Instant now_{};
    size_t picked_ = 0;
};

double median(std::vector<double> values) {
    std::nth_element(values.begin(), values.begin() + static_cast<std::ptrdiff_t>(values.size() / 2), values.end());
    return values[values.size() / 2];
}

struct Measured {
    const Size* size;
    std::unique_ptr<Node> node;
    std::vector<double> whole_ns, view_ns;
};

int measure(size_t rounds) {
    std::vector<Measured> all;
    for (const Size& size : sizes)
        for (const auto kind :
             {PolicyKind::local, PolicyKind::ddi, PolicyKind::ar_mdi, PolicyKind::ms_mdi, PolicyKind::layered})
            all.push_back({&size, std::make_unique<Node>(kind, size), {}, {}});
    for (size_t i = 0; i < rounds + rounds / 10; ++i)
        for (auto& each : all) {
            const double whole = each.node->round_ns(true);
            const double view = each.node->round_ns(false);
            if (i < rounds / 10) continue;  // warm up
            each.whole_ns.push_back(whole);
            each.view_ns.push_back(view);
        }
    bool within = true;
    size_t picked = 0;
    std::printf("{\"benchmark\": \"scheduler\", \"rounds\": %zu, \"decisions\": [", rounds);
    for (const auto& each : all) {
        const double whole = median(each.whole_ns);
        within = within && whole <= each.size->ns_max;
        picked += each.node->picked();
        std::printf(
            "%s\n  {\"policy\": \"%s\", \"sources\": %zu, \"cuts\": %zu, \"decision_ns\": %.0f, "
            "\"of_it_view_ns\": %.0f, \"decision_ns_max\": %.0f}",
            &each == &all.front() ? "" : ",", each.node->name(), each.size->sources, cuts, whole, median(each.view_ns),
            each.size->ns_max);
    }
    std::printf("],\n \"rows_picked\": %zu, \"within_bounds\": %s}\n", picked, within ? "true" : "false");
    return within ? 0 : 1;
}

}  // namespace
}  // namespace eddy::bench

int main(int argc, char** argv) {
    return eddy::bench::measure(argc > 1 ? std::max(10UL, std::strtoul(argv[1], nullptr, 10)) : 200);
}
