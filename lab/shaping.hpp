// From the links of an experiment to lines for `tc -batch`. Pure.
//
// A device has one card. What leaves it is shaped where it leaves, what comes to it at the switch's port before it, at
// the speed of its fastest link in that direction. Where all its links are alike a token bucket (tbf) does; else each
// destination whose link differs from the fastest has a class of an htb below the card's, found by its address. No
// queue holds more than 50 ms of its link's speed. Speeds count Ethernet's and IP's headers too, as real cards do: of
// full packets 1448 bytes of 1514 are payload.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

namespace eddy::lab {

/// One direction of one pair of devices.
struct Link {
    size_t from = 0;
    size_t to = 0;
    double mbit_per_s = 100;  ///< above 0
    double delay_ms = 0;      ///< one way, at least 0
};

/// 198.18.0.0/15 (RFC 2544) is set apart for measurements in a laboratory's own network.
inline constexpr int address_prefix_bits = 15;
[[nodiscard]] std::string device_address(size_t device);

/// What `tc -batch` is given in the device's namespace, for its card `card`. Empty if no link leaves the device.
/// `with_delay`: the kernel has netem, which delays what each class (or the bucket) holds.
[[nodiscard]] std::string leaving_lines(const std::vector<Link>& links, size_t device, const std::string& card,
                                        bool with_delay);
/// The same for the switch's `port` before the device. Empty if no link comes to the device.
[[nodiscard]] std::string arriving_lines(const std::vector<Link>& links, size_t device, const std::string& port);

/// How long a packet that the device's card is given may be before it is cut up (gso_max_size): 1.5 ms of the slowest
/// link that leaves it. The kernel would hand over 64 KiB at a time, which is 26 ms at 20 Mbit/s.
[[nodiscard]] uint32_t packet_bytes_max(const std::vector<Link>& links, size_t device);

}  // namespace eddy::lab
