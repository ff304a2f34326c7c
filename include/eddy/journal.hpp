// What a source writes down about its frames, so that its next life can account for them: plain entries. The core emits
// most of them (EffectSink::persist); src/journal keeps them in a file and makes sense of them again.
//
// Read in order, they say of each stream which numbers may be in use, what was captured, and what became of it:
//
//   captured = completed + failed + dropped + open        whatever the last entry is
#pragma once

#include <string>
#include <variant>

#include "eddy/frame_state.hpp"
#include "eddy/ids.hpp"

namespace eddy::journal {

/// Numbers a stream reserves at a time. It does so when half of them are used, so that entries which reach the disk
/// only later still come before the numbers they speak of.
inline constexpr uint64_t numbers_block = 1024;
/// No number is so high; an entry that says otherwise is not believed.
inline constexpr uint64_t numbers_max = uint64_t{1} << 62;

/// Sums over the settled frames of all lives.
struct Totals {
    uint64_t captured = 0;
    uint64_t admitted = 0;
    uint64_t completed = 0;
    uint64_t failed = 0;
    uint64_t dropped = 0;
    friend bool operator==(const Totals&, const Totals&) = default;
};

/// Introduces a stream, once, before anything else is said of it. `stream` is only this file's word for `name`: the
/// configuration may have been edited between two lives.
struct Counts {
    StreamId stream;
    std::string name;    ///< 1 to name_bytes_max bytes
    uint64_t below = 0;  ///< as in Reserved
    Totals settled;
    friend bool operator==(const Counts&, const Counts&) = default;
};
/// Frames of the following entries were captured in this life.
struct Life {
    Incarnation incarnation;
    friend bool operator==(const Life&, const Life&) = default;
};
/// Any number below may have been given out.
struct Reserved {
    StreamId stream;
    uint64_t below = 0;
    friend bool operator==(const Reserved&, const Reserved&) = default;
};
struct Captured {
    StreamId stream;
    uint64_t k = 0;
    friend bool operator==(const Captured&, const Captured&) = default;
};
/// So many frames were captured and dropped before the core saw them.
struct Missed {
    StreamId stream;
    uint64_t frames = 0;
    friend bool operator==(const Missed&, const Missed&) = default;
};
/// A captured frame left the reservoir, for the first time.
struct Admitted {
    StreamId stream;
    uint64_t k = 0;
    friend bool operator==(const Admitted&, const Admitted&) = default;
};
/// A captured frame has its outcome.
struct Settled {
    StreamId stream;
    uint64_t k = 0;
    FrameState state = FrameState::completed;
    friend bool operator==(const Settled&, const Settled&) = default;
};

using Entry = std::variant<Counts, Life, Reserved, Captured, Missed, Admitted, Settled>;

/// A captured frame without an outcome, as found after its life.
struct Unfinished {
    uint64_t k = 0;
    Incarnation life;
    bool admitted = false;
    friend bool operator==(const Unfinished&, const Unfinished&) = default;
};

}  // namespace eddy::journal
