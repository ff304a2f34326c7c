// What a journal's file says, however it was left, and the short file that says the same. Pure: the file is in memory.
#pragma once

#include <string>
#include <string_view>

#include "src/journal/books.hpp"

namespace eddy::journal {

struct Recovered {
    Books books;
    uint64_t contradictions = 0;  ///< entries that were not booked
    uint64_t cut_bytes = 0;       ///< at the end, not readable
    std::string problem;          ///< why not; empty: nothing is cut off
    bool unreadable = false;      ///< not a journal of this version: nothing was read
};

/// Adds up what is readable. Numbers that the unreadable rest may have reserved are taken as given out.
[[nodiscard]] Recovered recover(std::string_view file);

/// The shortest file that leads to these books.
[[nodiscard]] std::string short_file(const Books& books);

}  // namespace eddy::journal
