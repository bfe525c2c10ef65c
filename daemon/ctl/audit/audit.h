/* cention-proxyctl audit: what an auditor asks of the audit log. See ctl.h. */
#ifndef CENTION_CTL_AUDIT_AUDIT_H
#define CENTION_CTL_AUDIT_AUDIT_H

int audit_verify_main(int argc, char **argv);
int audit_head_main(int argc, char **argv);
int audit_identity_main(int argc, char **argv);
int audit_show_main(int argc, char **argv);
int audit_diff_main(int argc, char **argv);
int audit_mac_main(int argc, char **argv);

#endif
