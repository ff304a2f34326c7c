// What time of this node's lanes and of its link is worth, in frames of backlog per second: the dual prices of the
// capacity program, learned from what `layered` decides.
//
// Plain max-weight keeps its prices in the queues: where all devices are busy, every queue of every source at every
// cut, also one that no frame need ever pass, fills until it is worth as much as its neighbours, and what fills it
// waits there for a very long time (Bui, Srikant, Stolyar, INFOCOM 2009, tell this apart with shadow queues). Here one
// number for the lanes and one for the link stand for all these frames:
//
//   backlog of (source j, cut l) at node n   U = Q_n^{j,l} + price_n(l)
//   price_n(l) = min( max(0, p·t(l, end) − ready), min over l' of p·t(l, l') + price_n(l'),
//                     max(q·x(l) − 1, hop) + price_{n+1}(l) )
//
// p: price of a lane, q: of the link; both follow the scores of what they serve and fall while idle. `ready` frames
// wait at any busy node, for with fewer p falls, with more it rises. A node tells its predecessor price_n with its D
// (msg::Remaining). A hop costs hop_frames at least: prices cannot hold each other up around the ring, and a
// frame stays where it is as well off, for a hop takes both nodes time that no measurement sees: about a twentieth of a
// frame's, where a frame in a busy ring is worth twenty and more.
//
// Pure; one thread; owned by NodeCore.
#pragma once

#include "eddy/time.hpp"
#include "scheduler/admission.hpp"
#include "scheduler/board.hpp"

namespace eddy::scheduler {

inline constexpr double lane_gain = 0.25;          ///< of one whole model's time
inline constexpr double link_gain = 0.1;           ///< of one frame's transfer
inline constexpr float ready_frames = 6;           ///< that wait where the price is right; with fewer a lane runs dry
inline constexpr float hop_frames = 2;             ///< by which a frame is dearer before a hop than after it
inline constexpr double highest_price = 128;       ///< of a whole model or a frame's transfer; above deepest_backlog
inline constexpr Usec idle_memory = from_ms(250);  ///< in which the price of what stands idle falls to 1 / e

class Prices {
public:
    /// A run of `takes_s` was chosen by `score`, its own or, if it was chosen otherwise, the best there was.
    void ran(double score, double takes_s, double model_s);
    /// A hop of `takes_s` was; one of a frame at cut 0 takes `frame_s`.
    void hopped(double score, double takes_s, double frame_s);
    /// What stood idle since the last `stands` has become cheaper.
    void passes(Instant now);
    /// What stands idle from now on.
    void stands(bool lane_idle, bool link_idle);
    /// Board::price and price_here, from its costs and next_price.
    void write(Board& board) const;

    /// Of a frame that needs `takes_s` more of a lane to be finished here.
    [[nodiscard]] float lane_price(double takes_s) const;

    [[nodiscard]] double lane_per_s() const { return lane_per_s_; }
    [[nodiscard]] double link_per_s() const { return link_per_s_; }

private:
    double lane_per_s_ = 0;
    double link_per_s_ = 0;
    Instant at_{};
    bool lane_idle_ = false;
    bool link_idle_ = false;
};

}  // namespace eddy::scheduler
