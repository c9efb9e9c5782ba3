/**
 * @module
 * Owns the routes of the doctor: what must hold on this node and whether it does, as known, or after reading everything that is
 * stored. SPEC.md HT22.
 */
import type { FastifyInstance } from 'fastify';
import type { DoctorAnswer } from '../../api/index.ts';
import type { HttpContext } from '../context.ts';

const PATH = '/v1/_cluster/doctor';

export function doctorRoutes(app: FastifyInstance, { replica }: HttpContext): void {
  const describe = (report: ReturnType<typeof replica.doctor>): DoctorAnswer => ({
    node: replica.nodeId,
    name: replica.name,
    ...report,
  });

  app.get(PATH, { config: { access: 'read' } }, async (): Promise<DoctorAnswer> => describe(replica.doctor()));

  // It takes as long as the disk needs: whoever wants the outcome looks again until `scrub.running` ends.
  app.post(PATH, { config: { access: 'admin' } }, async (_request, reply) => {
    replica.examine().catch(() => undefined);
    return reply.code(202).send(describe(replica.doctor()));
  });
}
