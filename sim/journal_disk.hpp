// The journal of a simulated machine: the bytes that src/journal would have in its file, and which of them are on the
// disk. It makes sense of them with the same code. As there,
//   * each entry is written at once, so a process that is killed loses none;
//   * a power cut loses what was not synced, or some of it: the file then ends anywhere behind what was, in the middle
//     of a record too, and may be as long as it was, with zeros instead of what did not get there;
//   * a life begins with a short file that is synced before it takes the place of the old one, and ends in order with
//     another.
// Who owns it says when a sync is through. Bounded by what one life writes; no file is shortened in between. Pure.
#pragma once

#include <algorithm>
#include <string>
#include <vector>

#include "eddy/random.hpp"
#include "src/journal/recovery.hpp"

namespace eddy::sim {

class JournalDisk {
public:
    /// The next life begins, with these streams. False: entries of earlier ones contradict each other.
    [[nodiscard]] bool begin(const std::vector<std::string>& streams, Incarnation life);
    /// False: the entry contradicts those before it.
    [[nodiscard]] bool append(const journal::Entry& entry);
    [[nodiscard]] size_t bytes() const { return file_.size(); }
    /// That many bytes are on the disk.
    void synced(size_t bytes) { synced_ = std::max(synced_, bytes); }
    /// The life ends in order.
    void end();
    /// Power is cut in the middle of a life; gives what its file has lost.
    [[nodiscard]] std::vector<journal::Entry> cut_power(Random& random);

    /// Of the life that runs, or ran last; a power cut does not change them.
    [[nodiscard]] const journal::Books& books() const { return books_; }

private:
    void replace_file();

    std::string file_{journal::short_file({})};
    size_t synced_ = 0;
    journal::Books books_;
};

}  // namespace eddy::sim
