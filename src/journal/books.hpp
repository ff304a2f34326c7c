// What a journal's entries add up to: per stream, the numbers in use, the sums of what is settled, and the frames
// without an outcome. The same class makes sense of an earlier life's journal and keeps this life's state for the next
// short version of the file. Pure; memory is bounded by streams_max and open_frames_max.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "eddy/journal.hpp"

namespace eddy::journal {

/// A journal remembers so many streams, those of the configuration and earlier ones together.
inline constexpr size_t streams_max = 512;
/// Of one stream; far above what a node has in its reservoir and in flight. Beyond it, the oldest counts as failed.
inline constexpr size_t open_frames_max = 8192;

struct StreamBook {
    std::string name;
    uint64_t below = 0;  ///< any number below may have been given out
    uint64_t next = 0;   ///< above every number that was; what a file says may put it as high as `below`
    Totals settled;
    std::map<uint64_t, Unfinished> open;  ///< by k
};

class Books {
public:
    /// False: the entry contradicts those before it, and was not booked. Any entries in any order do no harm.
    bool apply(const Entry& entry);

    [[nodiscard]] const std::vector<StreamBook>& streams() const { return streams_; }
    [[nodiscard]] Incarnation life() const { return life_; }
    /// The shortest entries that lead to the same books.
    [[nodiscard]] std::vector<Entry> snapshot() const;

    /// How the next life begins: `names`, as configured now, have the first places in this order; what was known of
    /// others follows, their open frames booked as failed. Names that no longer found room are added to `forgotten`.
    [[nodiscard]] Books next_life(const std::vector<std::string>& names, Incarnation life,
                                  std::vector<std::string>& forgotten) const;
    /// Reserves a block for each of the first `streams`: at the beginning of a life, so that the file it begins with
    /// has numbers that it may give out before anything more is on the disk. The first to give out is still `next`.
    void reserve_ahead(size_t streams);
    /// Gives back the numbers that were reserved and not used: at an orderly end.
    void give_back_numbers();
    /// Moves all numbers on: records that may have reserved some are lost.
    void skip_numbers(uint64_t count);

private:
    bool book(const Counts& e);
    bool book(const Life& e);
    bool book(const Reserved& e);
    bool book(const Captured& e);
    bool book(const Missed& e);
    bool book(const Admitted& e);
    bool book(const Settled& e);
    [[nodiscard]] StreamBook* find(StreamId stream);

    std::vector<StreamBook> streams_;
    Incarnation life_{0};
};

}  // namespace eddy::journal
