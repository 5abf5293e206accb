/**
 * The system calls a container may make (`RuntimeDefault`). Ordinary programs need those below; what reaches into the
 * host needs the capability that guards it; everything else does not exist (ENOSYS), so that libraries fall back.
 */
import { readFile } from 'node:fs/promises';
import { join, normalize } from 'node:path';
import { RuntimeError, type SecurityConfig } from '../runtime.ts';

const groups = {
  files: `access chdir chmod chown chown32 close close_range copy_file_range creat dup dup2 dup3 faccessat faccessat2 fadvise64
    fadvise64_64 fallocate fchdir fchmod fchmodat fchmodat2 fchown fchown32 fchownat fcntl fcntl64 fdatasync fgetxattr flistxattr flock
    fremovexattr fsetxattr fstat fstat64 fstatat64 fstatfs fstatfs64 fsync ftruncate ftruncate64 futimesat getcwd getdents
    getdents64 getxattr getxattrat lchown lchown32 lgetxattr link linkat listxattr listxattrat llistxattr _llseek lremovexattr
    lseek lsetxattr lstat lstat64 mkdir mkdirat mknod mknodat newfstatat open openat openat2 pread64 preadv preadv2 pwrite64
    pwritev pwritev2 read readahead readlink readlinkat readv removexattr removexattrat rename renameat renameat2 rmdir sendfile
    sendfile64 setxattr setxattrat splice stat stat64 statfs statfs64 statx symlink symlinkat sync sync_file_range sync_file_range2
    syncfs tee truncate truncate64 umask unlink unlinkat utime utimensat utimensat_time64 utimes vmsplice write writev
    name_to_handle_at cachestat`,
  events: `epoll_create epoll_create1 epoll_ctl epoll_ctl_old epoll_pwait epoll_pwait2 epoll_wait epoll_wait_old eventfd eventfd2
    fanotify_mark inotify_add_watch inotify_init inotify_init1 inotify_rm_watch pipe pipe2 poll ppoll ppoll_time64 pselect6
    pselect6_time64 select _newselect signalfd signalfd4 timerfd_create timerfd_gettime timerfd_gettime64 timerfd_settime
    timerfd_settime64 timerfd ioctl io_cancel io_destroy io_getevents io_pgetevents io_pgetevents_time64 io_setup io_submit`,
  memory: `brk madvise mincore mlock mlock2 mlockall mmap mmap2 mprotect mremap msync munlock munlockall munmap memfd_create
    memfd_secret mseal membarrier remap_file_pages pkey_alloc pkey_free pkey_mprotect process_mrelease map_shadow_stack`,
  processes: `arch_prctl capget capset execve execveat exit exit_group fork vfork futex futex_time64 futex_waitv futex_wait
    futex_wake futex_requeue get_robust_list get_thread_area getcpu getegid getegid32 geteuid geteuid32 getgid getgid32 getgroups
    getgroups32 getpgid getpgrp getpid getppid getpriority getresgid getresgid32 getresuid getresuid32 getrlimit getrusage getsid
    gettid getuid getuid32 ioprio_get ioprio_set kill landlock_add_rule landlock_create_ruleset landlock_restrict_self
    modify_ldt personality pidfd_open pidfd_send_signal prctl prlimit64 process_madvise restart_syscall rseq seccomp set_robust_list
    set_thread_area set_tid_address setfsgid setfsgid32 setfsuid setfsuid32 setgid setgid32 setgroups setgroups32 setitimer
    getitimer setpgid setpriority setregid setregid32 setresgid setresgid32 setresuid setresuid32 setreuid setreuid32 setrlimit
    setsid setuid setuid32 sysinfo tgkill tkill ugetrlimit uname wait4 waitid waitpid alarm pause uretprobe
    sched_get_priority_max sched_get_priority_min sched_getaffinity sched_getattr sched_getparam sched_getscheduler
    sched_rr_get_interval sched_rr_get_interval_time64 sched_setaffinity sched_setattr sched_setparam sched_setscheduler
    sched_yield getrandom nice oldwait4 times rt_sigaction rt_sigpending rt_sigprocmask rt_sigqueueinfo rt_sigreturn
    rt_sigsuspend rt_sigtimedwait rt_sigtimedwait_time64 rt_tgsigqueueinfo sigaction sigaltstack signal sigpending sigprocmask
    sigreturn sigsuspend arm_fadvise64_64 arm_sync_file_range breakpoint cacheflush set_tls ptrace
    process_vm_readv process_vm_writev kcmp`,
  time: `adjtimex clock_adjtime clock_adjtime64 clock_getres clock_getres_time64 clock_gettime clock_gettime64 clock_nanosleep
    clock_nanosleep_time64 gettimeofday nanosleep time timer_create timer_delete timer_getoverrun timer_gettime timer_gettime64
    timer_settime timer_settime64`,
  network: `accept accept4 bind connect getpeername getsockname getsockopt listen recv recvfrom recvmmsg recvmmsg_time64 recvmsg
    send sendmmsg sendmsg sendto setsockopt shutdown socketcall socketpair`,
  ipc: `ipc mq_getsetattr mq_notify mq_open mq_timedreceive mq_timedreceive_time64 mq_timedsend mq_timedsend_time64 mq_unlink
    msgctl msgget msgrcv msgsnd semctl semget semop semtimedop semtimedop_time64 shmat shmctl shmdt shmget`,
};

/** Calls that a capability opens; without it they are refused (EPERM), as the kernel itself would. */
const guarded: [capability: string, calls: string][] = [
  [
    'CAP_SYS_ADMIN',
    `bpf fanotify_init fsconfig fsmount fsopen fspick lookup_dcookie mount mount_setattr move_mount open_tree
    perf_event_open quotactl quotactl_fd setdomainname sethostname setns umount umount2 unshare listmount statmount`,
  ],
  ['CAP_DAC_READ_SEARCH', 'open_by_handle_at'],
  ['CAP_SYS_BOOT', 'reboot kexec_load kexec_file_load'],
  ['CAP_SYS_CHROOT', 'chroot'],
  ['CAP_SYS_MODULE', 'delete_module init_module finit_module'],
  ['CAP_SYS_PACCT', 'acct'],
  ['CAP_SYS_PTRACE', 'pidfd_getfd'],
  ['CAP_SYS_RAWIO', 'iopl ioperm'],
  ['CAP_SYS_TIME', 'settimeofday stime clock_settime clock_settime64'],
  ['CAP_SYS_TTY_CONFIG', 'vhangup'],
  ['CAP_SYS_NICE', 'get_mempolicy mbind set_mempolicy set_mempolicy_home_node move_pages migrate_pages'],
  ['CAP_SYSLOG', 'syslog'],
]; // prettier-ignore

/** Old doors and host keyrings: refused to everyone. */
const refused = `add_key keyctl request_key pivot_root swapon swapoff userfaultfd nfsservctl uselib ustat sysfs _sysctl
  io_uring_setup io_uring_enter io_uring_register vm86 vm86old create_module get_kernel_syms query_module`;

const newNamespaces = 0x7e020000;
const vsockFamily = 40;
const eperm = 1;
const enosys = 38;

interface Rule {
  names: string[];
  action: 'SCMP_ACT_ALLOW' | 'SCMP_ACT_ERRNO';
  errnoRet?: number;
  args?: { index: number; value: number; valueTwo?: number; op: string }[];
}

export interface SeccompProfile {
  defaultAction: string;
  defaultErrnoRet: number;
  architectures: string[];
  syscalls: Rule[];
}

const words = (text: string) => text.split(/\s+/).filter((word) => word !== '');
const architectures: Record<string, string[]> = {
  x64: ['SCMP_ARCH_X86_64', 'SCMP_ARCH_X86', 'SCMP_ARCH_X32'],
  arm64: ['SCMP_ARCH_AARCH64', 'SCMP_ARCH_ARM'],
};

/** The default profile for a container with these capabilities (`CAP_…`). */
export function defaultProfile(capabilities: readonly string[], architecture: string = process.arch): SeccompProfile {
  const has = new Set(capabilities);
  const allowed = Object.values(groups).flatMap(words);
  const denied = words(refused);
  for (const [capability, calls] of guarded) (has.has(capability) ? allowed : denied).push(...words(calls));
  const syscalls: Rule[] = [
    { names: allowed, action: 'SCMP_ACT_ALLOW' },
    { names: denied, action: 'SCMP_ACT_ERRNO', errnoRet: eperm },
    { names: ['socket'], action: 'SCMP_ACT_ALLOW', args: [{ index: 0, value: vsockFamily, op: 'SCMP_CMP_NE' }] },
  ];
  if (has.has('CAP_SYS_ADMIN')) syscalls.push({ names: ['clone', 'clone3'], action: 'SCMP_ACT_ALLOW' });
  // clone3 keeps its flags where a filter cannot look: it stays ENOSYS, and libraries fall back to clone.
  else
    syscalls.push({
      names: ['clone'],
      action: 'SCMP_ACT_ALLOW',
      args: [{ index: 0, value: newNamespaces, valueTwo: 0, op: 'SCMP_CMP_MASKED_EQ' }],
    });
  return {
    defaultAction: 'SCMP_ACT_ERRNO',
    defaultErrnoRet: enosys,
    architectures: architectures[architecture] ?? [],
    syscalls,
  };
}

/** The profile a container asked for; undefined when it is unconfined. `directory` holds the node's own profiles. */
export async function profileFor(
  security: SecurityConfig,
  capabilities: readonly string[],
  directory: string,
): Promise<unknown> {
  const { type, localhostProfile = '' } = security.seccomp ?? { type: 'Unconfined' };
  if (security.privileged || type === 'Unconfined') return undefined;
  if (type === 'RuntimeDefault') return defaultProfile(capabilities);
  const path = join(directory, normalize(join('/', localhostProfile)));
  try {
    return JSON.parse(await readFile(path, 'utf8')) as unknown;
  } catch (error) {
    throw new RuntimeError(
      'CreateContainerError',
      `cannot load seccomp profile "${localhostProfile}": it must be a JSON file under ${directory}`,
      error,
    );
  }
}
