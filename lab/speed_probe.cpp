#include "lab/speed_probe.hpp"

#include <algorithm>
#include <cmath>
#include <string>
#include <thread>

#include <fmt/format.h>
#include <sys/prctl.h>

#include "eddy/real_clock.hpp"
#include "lab/process.hpp"

namespace eddy::lab {

namespace {
constexpr double probe_s = 1;
constexpr int waits_min = 3;
}  // namespace

Result<std::vector<double>> probe_waits(const std::vector<Place>& places, const std::vector<double>& model_s) {
    std::vector<Inside> probes;
    std::vector<size_t> devices;
    Usec within = std::chrono::seconds(10);
    for (size_t d = 0; d < places.size(); ++d) {
        if (model_s[d] <= 0) continue;
        const int waits = std::max(waits_min, static_cast<int>(std::lround(probe_s / model_s[d])));
        within = std::max(within, from_seconds(10 + 2 * waits * model_s[d]));
        auto probe = Inside::start(places[d], [waits, wait = from_seconds(model_s[d])] {
            ::prctl(PR_SET_TIMERSLACK, 1UL);
            const Instant began = real_now();
            for (int i = 0; i < waits; ++i) std::this_thread::sleep_for(wait);
            return fmt::format("{}", to_seconds(real_now() - began) / waits);
        });
        if (!probe) return probe.error();
        probes.push_back(std::move(*probe));
        devices.push_back(d);
    }
    std::vector<double> measured(places.size(), 0);
    for (size_t i = 0; i < probes.size(); ++i) {
        const auto text = probes[i].collect(within);
        if (!text) return text.error();
        measured[devices[i]] = std::stod(*text);
    }
    return measured;
}

}  // namespace eddy::lab
