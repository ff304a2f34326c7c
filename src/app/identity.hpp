// Who this node is, across restarts: its ring id and a rising incarnation, kept in `<data_dir>/identity`.
#pragma once

#include <string>

#include "eddy/config.hpp"
#include "eddy/ids.hpp"
#include "eddy/result.hpp"

namespace eddy::app {

struct Identity {
    NodeId id;
    Incarnation incarnation;
};

/// Reads the file, raises the incarnation and writes it back before returning, so no two starts share one. The id is
/// the configured one, else the stored one, else hashed from cluster and node name. The folder is made if missing.
/// Error `unavailable` names the path and the system's reason; a file that is not an identity is `invalid`.
[[nodiscard]] Result<Identity> take_identity(const NodeConfig& config);

}  // namespace eddy::app
