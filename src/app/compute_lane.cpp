#include "src/app/compute_lane.hpp"

#include <condition_variable>
#include <ctime>
#include <mutex>
#include <thread>

#include <concurrentqueue/blockingconcurrentqueue.h>

#include "eddy/real_clock.hpp"
#include "src/app/duty_cycle.hpp"

namespace eddy::app {

namespace {

Usec thread_processor_time() {
    timespec time{};
    clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
    return Usec(time.tv_sec * 1'000'000 + time.tv_nsec / 1000);
}

struct Order {
    JobId job;
    UnitRange units;
    std::vector<HostTensor> inputs;
    bool ends_model = false;
    bool quit = false;
};

}  // namespace

struct ComputeLane::Impl {
    std::function<std::unique_ptr<Runner>()> make_runner;
    double limit;
    uint32_t threads;
    std::function<void(Finished)> done;
    moodycamel::BlockingConcurrentQueue<Order> orders{4};
    std::mutex mutex;
    std::condition_variable quit_changed;
    bool quitting = false;
    std::thread thread;

    void rest(Usec duration) {
        std::unique_lock lock(mutex);
        quit_changed.wait_for(lock, duration, [this] { return quitting; });
    }

    void serve() {
        const auto runner = make_runner();
        Order order;
        for (;;) {
            orders.wait_dequeue(order);
            if (order.quit) return;
            const Instant began = real_now();
            const Usec processor_began = thread_processor_time();
            auto output = runner->run(order.units, order.inputs, order.ends_model);
            const Usec wall = real_now() - began;
            // With several threads a lane's own processor time says too little; then the wall clock stands in.
            const Usec processor = threads == 1 ? thread_processor_time() - processor_began : wall * threads;
            order.inputs.clear();
            if (limit < 1.0) rest(rest_after(processor, wall, limit));
            done({order.job, std::move(output), real_now() - began, wall});
        }
    }
};

ComputeLane::ComputeLane(std::function<std::unique_ptr<Runner>()> make_runner, double limit, uint32_t threads,
                         std::function<void(Finished)> done)
    : impl_(std::make_unique<Impl>()) {
    impl_->make_runner = std::move(make_runner);
    impl_->limit = limit;
    impl_->threads = threads;
    impl_->done = std::move(done);
    impl_->thread = std::thread([impl = impl_.get()] { impl->serve(); });
}

ComputeLane::~ComputeLane() {
    {
        const std::lock_guard lock(impl_->mutex);
        impl_->quitting = true;
    }
    impl_->quit_changed.notify_all();
    Order quit;
    quit.quit = true;
    impl_->orders.enqueue(std::move(quit));
    impl_->thread.join();
}

void ComputeLane::start(JobId job, UnitRange units, std::vector<HostTensor> inputs, bool ends_model) {
    impl_->orders.enqueue({job, units, std::move(inputs), ends_model, false});
}

}  // namespace eddy::app
