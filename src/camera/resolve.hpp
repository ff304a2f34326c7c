// Looking up a camera's name without being held by it. FFmpeg's own lookup cannot be interrupted, and with the network
// down it takes tens of seconds: so it is done here first, on a thread that can be left behind. Private to src/camera.
#pragma once

#include <atomic>
#include <functional>
#include <string>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::camera {

/// The host of "rtsp://user:password@host:554/path", without the brackets of an IPv6 address; empty if there is none.
std::string host_of(const std::string& url);

/// Runs `call` on a thread of its own and waits for it until `deadline` or until `stop` (which may be null) is set. If
/// it is not done by then the thread is left to end by itself: `call` must own all that it uses.
Status run_abandonable(std::function<Status()> call, Instant deadline, const std::atomic<bool>* stop);

/// Whether `host` has an address.
Status resolve(const std::string& host, Instant deadline, const std::atomic<bool>* stop);

}  // namespace eddy::camera
