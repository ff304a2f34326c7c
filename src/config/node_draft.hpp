// A node's configuration on its way in. Internal to src/config.
#pragma once

#include <string>

#include "eddy/config.hpp"

namespace eddy::config {

struct NodeDraft : NodeConfig {
    std::string key_file;  ///< as written; what it holds becomes cluster_key
};

}  // namespace eddy::config
