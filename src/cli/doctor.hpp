// The parts of `eddy doctor` (doctor_command.cpp): what this device shows, and what other addresses answer. They look
// and change nothing. Blocking; the caller's thread.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "eddy/config.hpp"
#include "src/control/peer_checks.hpp"
#include "src/transport/loop.hpp"

namespace eddy::cli {

/// The node this configuration describes.
struct DoctorDevice {
    control::Checks checks;
    control::OwnFacts own;
};

/// Folder, control socket, port, address and model, in this order. Loads the model, which takes a second or two.
[[nodiscard]] DoctorDevice examine_device(const NodeConfig& config, transport::Loop& loop);

/// Where to look for whom.
struct DoctorTarget {
    std::string kind;  ///< the name of the check
    Endpoint endpoint;
};

/// Probes all at the same time; results in the order of the targets. Each address of a name has `timeout` to take the
/// connection, and as long again for the handshake.
[[nodiscard]] std::vector<control::PeerProbe> probe_all(const NodeConfig& config,
                                                        const std::vector<DoctorTarget>& targets, Usec timeout,
                                                        transport::Loop& loop);

}  // namespace eddy::cli
