// What one entry costs a node that journals, its books and the write(2) included, and what of it is the system's: the
// same bytes written to a plain file, in turn with it. Frames pass as at a source, compaction included.
// Rounds of 30,000 entries, medians; one JSON object.
//
//   bench_journal FOLDER [ROUNDS]       FOLDER: on the disk in question
#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <string>
#include <vector>

#include <fcntl.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "src/journal/journal.hpp"

namespace eddy::bench {
namespace {

constexpr uint64_t frames = 10'000;  // three entries each
constexpr double entries = 3.0 * frames;
constexpr size_t record_bytes = 17;

double journalled_us(journal::Journal& journal, uint64_t from) {
    const StreamId stream{0};
    const Instant began = real_now();
    for (uint64_t k = from; k < from + frames; ++k) {
        journal.append(journal::Captured{stream, k});
        journal.append(journal::Admitted{stream, k});
        journal.append(journal::Settled{stream, k, FrameState::completed});
    }
    return to_seconds(real_now() - began) * 1e6 / entries;
}

double plain_us(const std::string& path) {
    const std::string bytes(record_bytes, 'x');
    const int fd = ::open(path.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_APPEND | O_CLOEXEC, 0600);
    const Instant began = real_now();
    for (double i = 0; i < entries; ++i)
        if (::write(fd, bytes.data(), bytes.size()) < 0) std::perror("write");
    const double us = to_seconds(real_now() - began) * 1e6 / entries;
    ::close(fd);
    return us;
}

double median(std::vector<double> values) {
    std::sort(values.begin(), values.end());
    return values[values.size() / 2];
}

int run(const std::string& folder, size_t rounds) {
    const auto path = std::filesystem::path(folder) / "bench-journal";
    auto journal = journal::Journal::open({path.string(), {"front"}, Incarnation{1}});
    if (!journal) {
        std::fprintf(stderr, "%s\n", journal.error().message.c_str());
        return 1;
    }
    std::vector<double> ours;
    std::vector<double> plain;
    for (size_t round = 0; round < rounds; ++round) {
        ours.push_back(journalled_us(**journal, round * frames));
        plain.push_back(plain_us(path.string() + "-plain"));
    }
    std::filesystem::remove(path);
    std::filesystem::remove(path.string() + "-plain");
    std::printf("{\"entry_us\": %.3f, \"plain_write_us\": %.3f, \"ratio\": %.3f, \"rounds\": %zu}\n", median(ours),
                median(plain), median(ours) / median(plain), rounds);
    return 0;
}

}  // namespace
}  // namespace eddy::bench

int main(int argc, char** argv) {
    if (argc < 2) {
        std::fprintf(stderr, "usage: bench_journal FOLDER [ROUNDS]\n");
        return 2;
    }
    const size_t rounds = argc > 2 ? std::strtoul(argv[2], nullptr, 10) : 21;
    return eddy::bench::run(argv[1], std::max<size_t>(1, rounds));
}
