#include "sim/journal_disk.hpp"

#include <cstddef>

#include "src/journal/codec.hpp"

namespace eddy::sim {

bool JournalDisk::begin(const std::vector<std::string>& streams, Incarnation life) {
    const auto found = journal::recover(file_);
    std::vector<std::string> forgotten;
    books_ = found.books.next_life(streams, life, forgotten);
    books_.reserve_ahead(streams.size());
    replace_file();
    return !found.unreadable && found.contradictions == 0 && forgotten.empty();
}

bool JournalDisk::append(const journal::Entry& entry) {
    journal::encode(entry, file_);
    return books_.apply(entry);
}

void JournalDisk::end() {
    books_.give_back_numbers();
    replace_file();
}

void JournalDisk::replace_file() {
    file_ = journal::short_file(books_);
    synced_ = file_.size();
}

std::vector<journal::Entry> JournalDisk::cut_power(Random& random) {
    std::vector<journal::Entry> entries;
    journal::read(file_, [&](const journal::Entry& entry) { entries.push_back(entry); });
    const size_t was = file_.size();
    file_.resize(synced_ + random.below(was - synced_ + 1));
    if (random.chance(0.5)) file_.resize(was, '\0');  // which may be what a torn record ended with
    const uint64_t whole = journal::read(file_, [](const journal::Entry&) {}).records;
    entries.erase(entries.begin(), entries.begin() + static_cast<ptrdiff_t>(whole));
    return entries;
}

}  // namespace eddy::sim
