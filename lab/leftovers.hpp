// How groups and namespaces are emptied and removed, by the run that owns them or by a later one. One thread; nothing
// waits longer than told. All of it may be called again, and by several at the same time.
#pragma once

#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "eddy/time.hpp"

namespace eddy::lab {

/// What namespaces and groups of runs begin with: eddy-lab-<run>-<part>, eddy-lab-<run>.
inline constexpr const char* lab_prefix = "eddy-lab-";

inline constexpr Usec remove_within = std::chrono::seconds(5);

/// Names of the network namespaces that a lab made, in order.
[[nodiscard]] std::vector<std::string> lab_namespaces();
/// The run such a name belongs to; empty if it is no lab's.
[[nodiscard]] std::string run_of_namespace(const std::string& name);

/// Kills who is inside (never this process) and removes the names.
Status remove_namespaces(const std::vector<std::string>& names, Usec within = remove_within);
/// Kills who is in these groups or below and removes them; those that are gone already are no error.
Status remove_groups(const std::vector<std::string>& folders, Usec within = remove_within);

}  // namespace eddy::lab
