// How fast several transmissions go at once: each pair of devices has a width per direction, each device a network card
// with a width out and one in, and whoever transmits gets the max-min fair share of what lies on the way, as TCP
// connections do roughly. Nothing of a width stays unused while somebody could use it.
//
// Pure state: it is told the time and says when the next transmission ends. Its owner keeps what is transmitted.
// Bytes and bytes per second; devices by index. The same calls give the same ends.
#pragma once

#include <array>
#include <cstdint>
#include <limits>
#include <map>
#include <utility>
#include <vector>

#include "eddy/time.hpp"

namespace eddy::sim {

class SharedLinks {
public:
    static constexpr double unlimited = std::numeric_limits<double>::infinity();

    /// Widths are above 0; transmissions that go on are not regarded.
    void set_width(double bytes_per_s) { width_ = bytes_per_s; }
    void set_width(uint32_t from, uint32_t to, double bytes_per_s);
    /// What goes on goes on at the new width.
    void change_width(uint32_t from, uint32_t to, double bytes_per_s, Instant now);
    void set_card(uint32_t device, double out_bytes_per_s, double in_bytes_per_s);

    /// `tag` names it; no two that go on at once may have the same.
    void begin(uint32_t tag, uint32_t from, uint32_t to, uint64_t bytes, Instant now);
    void cancel(uint32_t tag, Instant now);
    [[nodiscard]] bool idle() const { return flows_.empty(); }
    /// Of the transmission that ends first if none begins; never: there is none.
    [[nodiscard]] Instant next_end() const { return next_end_; }
    /// The tag of one that ends now: now = next_end().
    [[nodiscard]] uint32_t take_ended(Instant now);

private:
    struct Flow {
        uint32_t tag = 0;
        std::array<uint32_t, 3> shares{};  ///< resources: the pair, the card out, the card in
        double left_bytes = 0;
        double bytes_per_s = 0;
        Instant ends{};
    };
    struct Resource {
        double width = unlimited;
        double left = 0;  ///< while shares are dealt out: width, and transmissions without a share
        uint32_t open = 0;
    };

    uint32_t pair(uint32_t from, uint32_t to);
    uint32_t card(std::map<uint32_t, uint32_t>& cards, uint32_t device);
    void advance(Instant now);
    void deal_out(Instant now);
    void erase(size_t flow, Instant now);

    double width_ = 12.5e6;
    std::vector<Resource> resources_;
    std::map<std::pair<uint32_t, uint32_t>, uint32_t> pairs_;  ///< as far as widths were set or used
    std::map<uint32_t, uint32_t> cards_out_;
    std::map<uint32_t, uint32_t> cards_in_;
    std::vector<Flow> flows_;  ///< in the order of their beginnings
    Instant advanced_to_{};
    Instant next_end_ = never;
};

}  // namespace eddy::sim
