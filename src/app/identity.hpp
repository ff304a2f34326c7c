// Who this node is, across restarts: its ring id and a rising incarnation, kept in `<data_dir>/identity`.
//
// The id is the configured one; else the stored one, as long as it lies in the configured zone; else it is hashed from
// cluster and node name, within the zone. So a node that was renamed, or whose zone became wider or was taken out,
// stays where it is on the ring, and one that moved to another zone goes there. To start as a new node, remove the
// file.
#pragma once

#include <string>

#include "eddy/config.hpp"
#include "eddy/ids.hpp"
#include "eddy/log.hpp"
#include "eddy/result.hpp"

namespace eddy::app {

struct Identity {
    NodeId id;
    Incarnation incarnation;
};

/// Reads the file, raises the incarnation and writes it back before returning, so no two starts share one. The folder
/// is made if missing. An id other than the stored one is logged, with the reason. Error `unavailable` names the path
/// and the system's reason; a file that is not an identity is `invalid`.
[[nodiscard]] Result<Identity> take_identity(const NodeConfig& config, const LogFn& log = nullptr);

/// The id that take_identity would give; writes nothing. The same errors.
[[nodiscard]] Result<NodeId> expected_id(const NodeConfig& config);

}  // namespace eddy::app
