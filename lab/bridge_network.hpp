// The network of a lab run: a namespace for each device with a card `eth0`, joined by a bridge in a namespace of its
// own. Nothing leads to the host's network or any other. Needs root.
#pragma once

#include <string>
#include <vector>

#include "eddy/log.hpp"
#include "eddy/result.hpp"
#include "lab/place.hpp"
#include "lab/shaping.hpp"

namespace eddy::lab {

inline constexpr size_t network_devices_max = 64;

/// Owns the namespaces `eddy-lab-<run>-<device>` and `eddy-lab-<run>-switch`. The destructor kills whoever is still
/// inside and deletes them; a run that is killed leaves them to remove_leftovers() (run_folder.hpp).
class BridgeNetwork {
public:
    /// `run`: RunFolder::name(). Links between pairs that are not named have the speed of the fastest that is; at most
    /// one for each direction of a pair. Returns when every device can reach every other, after about 1 s.
    /// `unsupported` when not root, with the reason.
    static Result<BridgeNetwork> make(const std::string& run, size_t devices, const std::vector<Link>& links,
                                      LogFn log);

    BridgeNetwork(BridgeNetwork&& other) noexcept;
    BridgeNetwork& operator=(BridgeNetwork&& other) noexcept;
    BridgeNetwork(const BridgeNetwork&) = delete;
    BridgeNetwork& operator=(const BridgeNetwork&) = delete;
    ~BridgeNetwork();

    [[nodiscard]] std::string address(size_t device) const { return device_address(device); }
    [[nodiscard]] std::string netns_path(size_t device) const;
    /// True if every delay that was asked for is there: none was, or the kernel has netem.
    [[nodiscard]] bool delay_applied() const { return delay_applied_; }

private:
    BridgeNetwork(std::string run, size_t devices, LogFn log);
    Status build(const std::vector<Link>& links);
    [[nodiscard]] Status wait_until_up() const;
    void remove();

    std::string run_;  ///< empty: moved from
    size_t devices_ = 0;
    LogFn log_;
    bool delay_applied_ = true;
};

}  // namespace eddy::lab
