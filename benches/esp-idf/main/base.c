/* No client. SPDX-License-Identifier: MIT OR Apache-2.0 */
void run_client(void);

void run_client(void)
{
}
