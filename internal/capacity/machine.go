package capacity

import (
	"os"
	"strconv"
	"strings"
)

// assumedMemory is taken for the machine's where neither Linux nor its control group tells.
const assumedMemory = 8 << 30

// machineMemory returns how much memory this process may use: the machine's, or less where a control group limits it.
func machineMemory() int64 {
	total := int64(assumedMemory)
	if text, err := os.ReadFile("/proc/meminfo"); err == nil {
		if bytes := memTotal(string(text)); bytes > 0 {
			total = bytes
		}
	}
	for _, path := range []string{"/sys/fs/cgroup/memory.max", "/sys/fs/cgroup/memory/memory.limit_in_bytes"} {
		if text, err := os.ReadFile(path); err == nil {
			if limit, err := strconv.ParseInt(strings.TrimSpace(string(text)), 10, 64); err == nil && limit > 0 && limit < total {
				total = limit
			}
		}
	}
	return total
}

// memTotal reads the line "MemTotal:  4045232 kB" of /proc/meminfo; 0 when there is none.
func memTotal(meminfo string) int64 {
	for line := range strings.Lines(meminfo) {
		if rest, ok := strings.CutPrefix(line, "MemTotal:"); ok {
			if fields := strings.Fields(rest); len(fields) == 2 && fields[1] == "kB" {
				if kib, err := strconv.ParseInt(fields[0], 10, 64); err == nil {
					return kib << 10
				}
			}
		}
	}
	return 0
}
