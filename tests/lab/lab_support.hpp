// What the lab's tests share: which of them can run here, and looking at the system until something has happened.
#pragma once

#include <filesystem>
#include <string>

#include <doctest/doctest.h>
#include <unistd.h>

#include "eddy/real_clock.hpp"
#include "lab/leftovers.hpp"
#include "lab/posix.hpp"
#include "lab/run_folder.hpp"

namespace eddy::lab {

/// Goes on with the test if `result` is there; says why not if this machine or user cannot.
#define LAB_OR_SKIP(result)                                             \
    if (!(result) && (result).error().code == ErrorCode::unsupported) { \
        MESSAGE("skipped: " << (result).error().message);               \
        return;                                                         \
    }                                                                   \
    REQUIRE_MESSAGE((result).ok(), (result).error().message)

/// Asks until `happened` says yes, for 10 s at most.
template <class Happened>
bool becomes_true(Happened happened) {
    const Instant deadline = real_now() + std::chrono::seconds(10);
    while (!happened()) {
        if (real_now() >= deadline) return false;
        ::sched_yield();
    }
    return true;
}

/// A folder for a test's files, removed with it.
class TestFolder {
public:
    TestFolder() {
        char name[] = "/tmp/eddy-test-XXXXXX";
        REQUIRE(::mkdtemp(name) != nullptr);
        path_ = name;
    }
    ~TestFolder() { std::filesystem::remove_all(path_); }
    TestFolder(const TestFolder&) = delete;
    TestFolder& operator=(const TestFolder&) = delete;
    [[nodiscard]] std::string file(const std::string& name) const { return (path_ / name).string(); }

private:
    std::filesystem::path path_;
};

inline std::string text_of(const std::string& path) {
    const auto text = read_text(path);
    return text ? *text : "";
}

inline size_t namespaces_of(const std::string& run) {
    size_t count = 0;
    for (const std::string& name : lab_namespaces())
        if (run_of_namespace(name) == run) ++count;
    return count;
}

}  // namespace eddy::lab
