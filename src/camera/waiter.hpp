// Time as a source sees it: what it is now, and waiting that can be cut short. Tests give a waiter of their own.
#pragma once

#include <memory>

#include "eddy/time.hpp"

namespace eddy::camera {

class Waiter {
public:
    virtual ~Waiter() = default;
    /// Any thread.
    virtual Instant now() = 0;
    /// Blocks until `at` or until stop(). False: stopping.
    virtual bool wait_until(Instant at) = 0;
    /// From any thread, for good: every wait returns false from now on.
    virtual void stop() = 0;
};

/// This machine's steady clock and a condition variable.
std::shared_ptr<Waiter> real_waiter();

}  // namespace eddy::camera
