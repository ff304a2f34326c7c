#include "lab/shaping.hpp"

#include <algorithm>
#include <cmath>
#include <optional>

#include <fmt/format.h>

#include "eddy/assert.hpp"

namespace eddy::lab {
namespace {

constexpr double frame_bytes = 1514;  // the longest Ethernet frame
constexpr double queue_s = 0.050;
constexpr double bucket_s = 0.0020;
constexpr double packet_s = 0.0015;  // with its headers it fits into the bucket: what does not, tbf cuts up dearly

double bytes_per_s(double mbit_per_s) { return mbit_per_s * 1e6 / 8; }
uint64_t bits_per_s(double mbit_per_s) { return static_cast<uint64_t>(std::llround(std::max(mbit_per_s * 1e6, 8.0))); }

/// What may leave at once after silence: the timer that lets packets go is late by a part of a millisecond.
uint64_t bucket_bytes(double mbit_per_s) {
    return static_cast<uint64_t>(std::clamp(bytes_per_s(mbit_per_s) * bucket_s, 2 * frame_bytes, 1e9));
}

double packet_bytes(double mbit_per_s) {
    return std::clamp(bytes_per_s(mbit_per_s) * packet_s, 2 * frame_bytes, 65536.0);
}

/// 50 ms of the link, but at least two packets, or nothing would ever pass a very slow one.
uint64_t queue_bytes(double mbit_per_s) {
    return static_cast<uint64_t>(std::clamp(bytes_per_s(mbit_per_s) * queue_s, 2 * packet_bytes(mbit_per_s), 4e9));
}

/// netem counts packets: what is under way for `delay_ms`, and a queue.
uint64_t queue_packets(const Link& link) {
    const double held_s = link.delay_ms * 1e-3 + queue_s;
    return static_cast<uint64_t>(std::ceil(bytes_per_s(link.mbit_per_s) * held_s / frame_bytes)) + 16;
}

std::string delay_line(const Link& link, const std::string& card, std::string_view parent, unsigned handle) {
    return fmt::format("qdisc add dev {} parent {} handle {:x}: netem delay {}us limit {}\n", card, parent, handle,
                       std::llround(link.delay_ms * 1e3), queue_packets(link));
}

std::string bucket_line(double mbit_per_s, const std::string& card) {
    return fmt::format("qdisc replace dev {} root handle 1: tbf rate {}bit burst {} limit {}\n", card,
                       bits_per_s(mbit_per_s), bucket_bytes(mbit_per_s), queue_bytes(mbit_per_s));
}

/// `assured`: what the class has whatever the others do. It may borrow up to its link's speed from the card's.
std::string class_line(const std::string& card, std::string_view parent, unsigned minor, double assured,
                       double mbit_per_s) {
    return fmt::format(
        "class add dev {} parent {} classid 1:{:x} htb rate {}bit ceil {}bit burst {} cburst {} quantum {}\n", card,
        parent, minor, bits_per_s(assured), bits_per_s(mbit_per_s), bucket_bytes(assured), bucket_bytes(mbit_per_s),
        static_cast<uint64_t>(2 * frame_bytes));
}

std::string leaf_lines(const Link& link, const std::string& card, unsigned minor, bool with_delay) {
    const std::string parent = fmt::format("1:{:x}", minor);
    if (with_delay && link.delay_ms > 0) return delay_line(link, card, parent, minor);
    return fmt::format("qdisc add dev {} parent {} handle {:x}: bfifo limit {}\n", card, parent, minor,
                       queue_bytes(link.mbit_per_s));
}

std::vector<Link> leaving(const std::vector<Link>& links, size_t device) {
    std::vector<Link> found;
    for (const Link& link : links)
        if (link.from == device) found.push_back(link);
    std::sort(found.begin(), found.end(), [](const Link& a, const Link& b) { return a.to < b.to; });
    return found;
}

bool faster(const Link& a, const Link& b) { return a.mbit_per_s < b.mbit_per_s; }

}  // namespace

std::string device_address(size_t device) {
    EDDY_ASSERT(device < 65000);
    return fmt::format("198.18.{}.{}", (device + 1) / 256, (device + 1) % 256);
}

uint32_t packet_bytes_max(const std::vector<Link>& links, size_t device) {
    double bytes = 65536;
    for (const Link& link : links)
        if (link.from == device) bytes = std::min(bytes, packet_bytes(link.mbit_per_s));
    return static_cast<uint32_t>(bytes);
}

std::string arriving_lines(const std::vector<Link>& links, size_t device, const std::string& port) {
    std::optional<double> fastest;
    for (const Link& link : links)
        if (link.to == device) fastest = std::max(fastest.value_or(0), link.mbit_per_s);
    return fastest ? bucket_line(*fastest, port) : "";
}

std::string leaving_lines(const std::vector<Link>& links, size_t device, const std::string& card, bool with_delay) {
    const std::vector<Link> own = leaving(links, device);
    if (own.empty()) return "";
    // The card: its fastest link, and of those alike in speed the delay of the first.
    const Link usual = *std::max_element(own.begin(), own.end(), faster);
    std::vector<Link> special;
    for (const Link& link : own)
        if (link.mbit_per_s != usual.mbit_per_s || (with_delay && link.delay_ms != usual.delay_ms))
            special.push_back(link);
    if (special.empty()) {
        std::string lines = bucket_line(usual.mbit_per_s, card);
        if (with_delay && usual.delay_ms > 0) lines += delay_line(usual, card, "1:1", 2);
        return lines;
    }
    // 1:1 is the card, 1:2 the usual link, then the others. A class's assured speed is its own whatever the card's, so
    // that together they may have no more than the card.
    constexpr unsigned usual_minor = 2;
    std::string lines = fmt::format("qdisc replace dev {} root handle 1: htb default {:x}\n", card, usual_minor);
    lines += class_line(card, "1:", 1, usual.mbit_per_s, usual.mbit_per_s);
    const double share = usual.mbit_per_s / static_cast<double>(special.size() + 1);
    lines += class_line(card, "1:1", usual_minor, share, usual.mbit_per_s);
    lines += leaf_lines(usual, card, usual_minor, with_delay);
    unsigned minor = usual_minor;
    for (const Link& link : special) {
        ++minor;
        lines += class_line(card, "1:1", minor, std::min(share, link.mbit_per_s), link.mbit_per_s);
        lines += leaf_lines(link, card, minor, with_delay);
        lines += fmt::format("filter add dev {} parent 1: protocol ip prio 1 u32 match ip dst {}/32 flowid 1:{:x}\n",
                             card, device_address(link.to), minor);
    }
    return lines;
}

}  // namespace eddy::lab
