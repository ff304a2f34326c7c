// Seeds are tried in child processes. Goal: every seed is told once and in order, whatever becomes of its child.
#include "src/cli/seed_workers.hpp"

#include <cstdio>
#include <cstdlib>
#include <vector>

#include <doctest/doctest.h>
#include <poll.h>
#include <unistd.h>

using namespace eddy;
using namespace eddy::cli;

namespace {

/// "17 answer" and "18 died: words", as they are told.
std::vector<std::string> told(SeedWork work) {
    std::vector<std::string> lines;
    work.answer = [&](uint64_t seed, const std::string& line) { lines.push_back(std::to_string(seed) + " " + line); };
    work.died = [&](uint64_t seed, const std::string& words) {
        lines.push_back(std::to_string(seed) + " died: " + words);
    };
    CHECK(try_seeds(work).ok());
    return lines;
}

SeedWork work_on(uint64_t first, uint64_t last, uint32_t jobs, std::function<std::string(uint64_t)> run) {
    SeedWork work;
    work.first = first;
    work.last = last;
    work.jobs = jobs;
    work.run = std::move(run);
    return work;
}

}  // namespace

TEST_CASE("every seed is told once, in order, by however many children") {
    for (const uint32_t jobs : {1U, 2U, 5U, 40U}) {
        const auto lines = told(work_on(100, 250, jobs, [](uint64_t seed) {
            if (seed % 16 == 4) ::poll(nullptr, 0, 2);  // the answers overtake each other
            return "twice is " + std::to_string(2 * seed);
        }));
        REQUIRE(lines.size() == 151);
        for (uint64_t seed = 100; seed <= 250; ++seed)
            CHECK(lines[seed - 100] == std::to_string(seed) + " twice is " + std::to_string(2 * seed));
    }
}

TEST_CASE("a seed whose child dies is told with its last words, and the others are tried all the same") {
    const auto lines = told(work_on(1, 40, 2, [](uint64_t seed) {
        if (seed % 10 == 3) {
            std::fputs("something happened\nassertion failed: x\n", stderr);
            std::abort();
        }
        if (seed == 8) ::_exit(0);
        return std::string("fine");
    }));
    REQUIRE(lines.size() == 40);
    for (uint64_t seed = 1; seed <= 40; ++seed) {
        const std::string what = seed % 10 == 3 ? "died: assertion failed: x"
                                 : seed == 8    ? "died: ended without an answer"
                                                : "fine";
        CHECK(lines[seed - 1] == std::to_string(seed) + " " + what);
    }
}

TEST_CASE("the last seed may be the one that dies, and a death may be silent") {
    const auto lines = told(work_on(7, 7, 1, [](uint64_t) -> std::string { std::abort(); }));
    CHECK(lines == std::vector<std::string>{"7 died: died: Aborted"});
}

TEST_CASE("what a run writes on standard error and lives on is nobody's answer") {
    const auto lines = told(work_on(1, 2, 1, [](uint64_t) {
        std::fputs("a remark\n", stderr);
        return std::string("fine");
    }));
    CHECK(lines == std::vector<std::string>{"1 fine", "2 fine"});
}

TEST_CASE("a seed that never ends is ended") {
    auto work = work_on(1, 3, 1, [](uint64_t seed) {
        while (seed == 2) ::pause();
        return std::string("fine");
    });
    work.limit = from_seconds(1);
    CHECK(told(work) == std::vector<std::string>{"1 fine", "2 died: took longer than 1 s", "3 fine"});
}

TEST_CASE("an answer may be long") {
    const auto lines = told(work_on(1, 3, 2, [](uint64_t) { return std::string(300'000, 'x'); }));
    REQUIRE(lines.size() == 3);
    CHECK(lines[1] == "2 " + std::string(300'000, 'x'));
}

TEST_CASE("a range of seeds is one number or two, the second not below the first") {
    CHECK(seed_range("7") == std::pair<uint64_t, uint64_t>{7, 7});
    CHECK(seed_range("1..20") == std::pair<uint64_t, uint64_t>{1, 20});
    CHECK(seed_range("5..5") == std::pair<uint64_t, uint64_t>{5, 5});
    for (const char* text : {"", "x", "5..4", "1..", "..2", "1...3", "-1", "0..100000000", "18446744073709551616"})
        CHECK(!seed_range(text));
}
