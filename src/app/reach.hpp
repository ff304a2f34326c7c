// From what the transport met to the words of doctor and status: adapters do not know each other.
#pragma once

#include <string>

#include "src/control/peer_checks.hpp"
#include "src/transport/network.hpp"

namespace eddy::app {

/// `reason`: the transport's words, which tell more than the kind of failure does: a refused connection from a missing
/// route, silence before from silence after the connection stood.
[[nodiscard]] control::Reach reach_of(transport::DialFailure failure, const std::string& reason);

}  // namespace eddy::app
