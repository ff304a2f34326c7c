#include "src/journal/recovery.hpp"

#include "src/journal/codec.hpp"

namespace eddy::journal {

Recovered recover(std::string_view file) {
    Recovered found;
    const Read read =
        journal::read(file, [&](const Entry& entry) { found.contradictions += found.books.apply(entry) ? 0 : 1; });
    found.cut_bytes = file.size() - read.good_bytes;
    found.problem = read.problem;
    found.unreadable = read.good_bytes == 0 && found.cut_bytes > 0;
    if (!found.unreadable && found.cut_bytes > 0)
        found.books.skip_numbers(numbers_block * (1 + found.cut_bytes / record_bytes_min));
    return found;
}

std::string short_file(const Books& books) {
    std::string bytes(file_header);
    for (const auto& entry : books.snapshot()) encode(entry, bytes);
    return bytes;
}

}  // namespace eddy::journal
