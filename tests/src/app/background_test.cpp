// Goal: what takes long is done beside the loop, one thing after the other, and a node that ends waits for the one at
// hand only. Method: tasks that note that they began, and wait until they may end.
#include "src/app/background.hpp"

#include <atomic>
#include <future>
#include <numeric>
#include <thread>
#include <vector>

#include <doctest/doctest.h>

using namespace eddy::app;
using namespace std::chrono_literals;

TEST_CASE("tasks are done in the order in which they came, never two at a time") {
    std::vector<int> done;  // without a lock: only tasks touch it until the last has told
    std::promise<void> last;
    std::vector<int> expected(1000);
    std::iota(expected.begin(), expected.end(), 0);
    Background background;
    for (const int i : expected) background.post([&done, i] { done.push_back(i); });
    background.post([&last] { last.set_value(); });
    last.get_future().wait();
    CHECK(done == expected);
}

TEST_CASE("whoever posts does not wait, not even while a task is at hand, and a task may post others") {
    std::promise<void> may_end;
    std::promise<std::thread::id> second;
    Background background;
    background.post([&] {
        may_end.get_future().wait();
        background.post([&] { second.set_value(std::this_thread::get_id()); });
    });
    background.post([] {});
    may_end.set_value();
    CHECK(second.get_future().get() != std::this_thread::get_id());
}

TEST_CASE("the end waits for the task at hand, and begins no other") {
    std::promise<void> began;
    std::promise<void> may_end;
    std::atomic<bool> ended{false};
    std::atomic<int> others{0};
    auto background = std::make_unique<Background>();
    background->post([&] {
        began.set_value();
        may_end.get_future().wait();
        ended = true;
    });
    for (int i = 0; i < 100; ++i) background->post([&] { ++others; });
    began.get_future().wait();
    const Background& at_its_end = *background;  // which is there until the task at hand is done
    auto gone = std::async(std::launch::async, [&] { background.reset(); });
    while (!at_its_end.ending()) std::this_thread::yield();
    CHECK(gone.wait_for(20ms) == std::future_status::timeout);
    CHECK_FALSE(ended);
    may_end.set_value();
    gone.wait();
    CHECK(ended);
    CHECK(others == 0);
}

TEST_CASE("one that never had a task ends") {
    auto gone = std::async(std::launch::async, [] { const Background background; });
    CHECK(gone.wait_for(std::chrono::minutes(1)) == std::future_status::ready);
}
