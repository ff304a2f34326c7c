// Where a process of a lab run lives: whose network it sees and whose share of processor and memory it has. A plain
// value; what it names is owned by BridgeNetwork and ControlGroups, which must outlive whoever lives there.
#pragma once

#include <string>
#include <vector>

namespace eddy::lab {

struct Place {
    std::string netns_path;                 ///< /run/netns/NAME; empty: the network of the one who asks
    std::vector<std::string> cgroup_procs;  ///< files a process writes itself into before it begins; empty: no groups
};

}  // namespace eddy::lab
