// The plots of lab runs, and the files they become.
//   processing-time-EXPERIMENT    processing time against images completed, a line a policy (Fig. 3a and 3b of MS-MDI)
//   queues-EXPERIMENT-POLICY      frames waiting over time, a line a device
//   completion-EXPERIMENT-POLICY  distribution of completion times, a line a source
//   per-image-time-FAMILY         makespan over all frames against number of devices, a line a policy (Fig. 3c)
//   throughput-FAMILY             throughput against number of devices, a line a policy, and the bound
//   worst-source-FAMILY           the worst source's part of its bound, bars by experiment and policy
// Each is made only where the runs have what it shows. A family is experiments that differ in the number of devices
// and in their names by nothing but that number: links-20-two and links-20-three are of the family links-20.
#pragma once

#include <filesystem>
#include <string>
#include <vector>

#include "eddy/result.hpp"
#include "lab/gnuplot.hpp"
#include "lab/plot_runs.hpp"
#include "lab/plot_script.hpp"

namespace eddy::lab {

/// The name without the words that say `devices`, as digits or (to twenty) in words: "fig3-two-half", 2 -> "fig3-half".
/// Words are what stands between "-" and "_". Names that are nothing else stay whole.
[[nodiscard]] std::string family_of(const std::string& experiment, size_t devices);

/// All plots, in the order above, those of experiments first. The order of runs matters only to those that are alike in
/// experiment, policy, compute and seed; they get a number. In plots of families, runs that differ only in their seed
/// (or number) are averaged. Pure.
[[nodiscard]] std::vector<Plot> plots_of(const std::vector<PlotRun>& runs);

/// Writes NAME.gp and NAME.dat of all plots into `folder`, which is made if need be, and has gnuplot make NAME.svg and
/// NAME.png; gives the files back, sorted by plot. If gnuplot fails or is missing, scripts and data are there all the
/// same. Nothing to plot is no error. Blocking.
[[nodiscard]] Result<std::vector<std::filesystem::path>> make_plots(const std::vector<PlotRun>& runs,
                                                                    const std::filesystem::path& folder,
                                                                    const GnuplotOptions& options = {});

}  // namespace eddy::lab
